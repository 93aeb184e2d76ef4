import { at } from '../base/index.js';

/**
 * Where servers may be: the addresses that the user gave, and the client addresses that servers have
 * told. One of them is preferred; a failure moves on to the next, a hint to the one it names.
 */
export class Endpoints {
  readonly #given: readonly string[];
  readonly #told = new Set<string>();
  readonly #failures = new Map<string, string>();
  #preferred: string;

  /** At least one, without repetition. */
  constructor(given: readonly string[]) {
    this.#given = given;
    this.#preferred = at(given, 0);
  }

  get preferred(): string {
    return this.#preferred;
  }

  get count(): number {
    return this.all().length;
  }

  has(address: string): boolean {
    return this.all().includes(address);
  }

  all(): readonly string[] {
    return [...new Set([...this.#given, ...this.#told])];
  }

  /** Replaces the addresses that servers have told. */
  learn(addresses: readonly string[]): void {
    this.#told.clear();
    for (const address of addresses) this.#told.add(address);
    if (!this.has(this.#preferred)) this.#preferred = at(this.#given, 0);
  }

  prefer(address: string): void {
    this.#preferred = address;
  }

  /** Moves on, unless another call has done so already. */
  avoid(address: string): void {
    if (address !== this.#preferred) return;
    const all = this.all();
    this.#preferred = at(all, (all.indexOf(address) + 1) % all.length);
  }

  failed(address: string, reason: string): void {
    this.#failures.set(address, reason);
    this.avoid(address);
  }

  reached(address: string): void {
    this.#failures.delete(address);
  }

  /** Why each address was not reached when it was last tried, in words. */
  describeFailures(): string {
    const known = this.all().filter((address) => this.#failures.has(address));
    if (known.length === 0) return 'no server was tried yet';
    return known.map((address) => `${address}: ${this.#failures.get(address)}`).join('; ');
  }
}
