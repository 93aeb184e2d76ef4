import { assert, concatBytes, copyBytes, QuorateError } from '../../lib/base/index.js';
import type {
  SnapshotDescription,
  SnapshotDraft,
  SnapshotReader,
  SnapshotStorage,
  SnapshotWriter,
} from '../../lib/interfaces/index.js';
import type { GroupContents, KeptSnapshot } from './contents.js';
import type { DiskSession } from './disk.js';

/** A group's snapshots on a memory disk. */
export class MemorySnapshotStorage implements SnapshotStorage {
  readonly #session: DiskSession;
  readonly #contents: GroupContents;

  constructor(session: DiskSession, contents: GroupContents) {
    this.#session = session;
    this.#contents = contents;
  }

  create(draft: SnapshotDraft): Promise<SnapshotWriter> {
    return this.#session.read(() => new Writer(this.#session, this.#contents, draft));
  }

  list(): Promise<readonly SnapshotDescription[]> {
    return this.#session.read(() =>
      [...this.#contents.snapshots.values()]
        .map(({ description }) => copyOf(description))
        .reverse()
        .sort((a, b) => b.index - a.index),
    );
  }

  open(id: string): Promise<SnapshotReader> {
    return this.#session.read(() => {
      const kept = this.#contents.snapshots.get(id);
      if (kept === undefined) {
        throw new QuorateError('ERR_CORRUPT', { message: `snapshot ${id} is not there` });
      }
      return new Reader(this.#session, kept);
    });
  }

  remove(id: string): Promise<void> {
    return this.#session.write({
      kind: 'remove',
      group: this.#contents.group,
      entryCount: 0,
      apply: () => {
        this.#contents.snapshots.delete(id);
      },
    });
  }
}

class Writer implements SnapshotWriter {
  readonly #session: DiskSession;
  readonly #contents: GroupContents;
  readonly #draft: SnapshotDraft;
  readonly #chunks: Uint8Array[] = [];
  #isOver = false;

  constructor(session: DiskSession, contents: GroupContents, draft: SnapshotDraft) {
    this.#session = session;
    this.#contents = contents;
    this.#draft = { ...draft, configuration: copyBytes(draft.configuration) };
  }

  async write(chunk: Uint8Array): Promise<void> {
    assert(!this.#isOver, 'a snapshot is written before it is committed or aborted');
    this.#chunks.push(copyBytes(chunk));
    await this.#session.read(() => undefined);
  }

  async commit(): Promise<SnapshotDescription> {
    assert(!this.#isOver, 'a snapshot is committed once');
    this.#isOver = true;
    const bytes = concatBytes(this.#chunks);
    const { index, term } = this.#draft;
    const id = this.#contents.nextSnapshotId(index, term);
    const description = { ...this.#draft, id, sizeBytes: bytes.length };
    await this.#session.write({
      kind: 'snapshot',
      group: this.#contents.group,
      entryCount: 0,
      apply: () => {
        this.#contents.snapshots.set(id, { description, bytes });
      },
    });
    return copyOf(description);
  }

  async abort(): Promise<void> {
    this.#isOver = true;
    this.#chunks.length = 0;
  }
}

class Reader implements SnapshotReader {
  readonly description: SnapshotDescription;
  readonly #session: DiskSession;
  readonly #bytes: Uint8Array;

  constructor(session: DiskSession, kept: KeptSnapshot) {
    this.description = copyOf(kept.description);
    this.#session = session;
    this.#bytes = kept.bytes;
  }

  read(offset: number, maxBytes: number): Promise<Uint8Array> {
    return this.#session.read(() => this.#bytes.slice(offset, offset + maxBytes));
  }

  async close(): Promise<void> {}
}

function copyOf(description: SnapshotDescription): SnapshotDescription {
  return { ...description, configuration: copyBytes(description.configuration) };
}
