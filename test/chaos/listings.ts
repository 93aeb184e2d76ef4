import type { KVEntry, Revision } from '../../lib/store/index.js';

export interface Listing {
  /** All that were asked for, whether there or not. */
  readonly keys: readonly string[];
  readonly entries: ReadonlyMap<string, KVEntry>;
  readonly revision: Revision;
  /** The latest that was acknowledged to anybody before the listing began. */
  readonly atLeast: Revision;
}

/**
 * What listings promise beyond the reads that they are: one is not older than what was acknowledged before it,
 * and shows of every key what stood there at one revision.
 */
export class Listings {
  readonly #changes = new Map<string, Revision[]>();
  readonly #listings: Listing[] = [];
  #latest = 0;

  /** The latest revision that anybody was told. */
  get latest(): Revision {
    return this.#latest;
  }

  get count(): number {
    return this.#listings.length;
  }

  /** A change that was acknowledged. */
  changed({ key, revision }: { readonly key: string; readonly revision: Revision }): void {
    this.#latest = Math.max(this.#latest, revision);
    const own = this.#changes.get(key);
    if (own === undefined) this.#changes.set(key, [revision]);
    else own.push(revision);
  }

  listed(listing: Listing): void {
    this.#latest = Math.max(this.#latest, listing.revision);
    this.#listings.push(listing);
  }

  /** Once all changes are known: a listing may show what is acknowledged later. */
  faults(): readonly string[] {
    return this.#listings.flatMap((listing) => this.#faultsOf(listing));
  }

  #faultsOf({ keys, entries, revision, atLeast }: Listing): readonly string[] {
    const faults: string[] = [];
    if (revision < atLeast) {
      faults.push(`a listing at revision ${revision} began after ${atLeast} was acknowledged`);
    }
    for (const key of keys) {
      const shown = entries.get(key)?.modRevision;
      // Of a key that is not there nobody knows since when.
      if (shown === undefined) continue;
      const where = `a listing at ${revision} shows ${key} of ${shown}`;
      if (shown > revision) faults.push(where);
      const missed = this.#changes.get(key)?.find((one) => one <= revision && one > shown);
      if (missed !== undefined) faults.push(`${where}, not of ${missed}`);
    }
    return faults;
  }
}
