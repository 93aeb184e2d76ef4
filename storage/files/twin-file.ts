import { dirname } from 'node:path';
import {
  assert,
  ByteReader,
  ByteWriter,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  QuorateError,
} from '../../lib/base/index.js';
import type { FileLayer, Logger } from '../../lib/interfaces/index.js';
import { checksum } from './checksum.js';
import { corrupt } from './damage.js';
import { overwrite, writeWhole } from './whole-file.js';

/*
 * Layout 1 of a copy, integers little-endian, always 256 bytes:
 *
 *   0 "QRT2" · 4 u8 layout (1) · 5 u8 kind · 6 u8 owner length · 7 u8 body length ·
 *   8 u64 sequence · 16 owner, body, zeros · 252 u32 CRC-32 of bytes 0 to 251
 */
const COPY_BYTES = 256;
const HEADER_BYTES = 16;
const CHECKED_BYTES = COPY_BYTES - 4;
const MAGIC = encodeUtf8('QRT2');
const LAYOUT = 1;

/** What a pair of copies holds; stored with them, so that files cannot be mistaken for each other. */
export type TwinKind = 'identity' | 'state' | 'mark';
const KIND_NUMBERS: Readonly<Record<TwinKind, number>> = { identity: 1, state: 2, mark: 3 };

/** What a pair is, wherever it stands. */
export interface TwinSubject {
  readonly kind: TwinKind;
  /** The group that the value belongs to; empty for the node itself. */
  readonly owner: string;
  /**
   * Whether `newer` can be a later value than `older`. Where it cannot, one of the copies is of another
   * directory, and none counts. Default: always.
   */
  readonly canFollow?: ((older: Uint8Array, newer: Uint8Array) => boolean) | undefined;
}

export interface TwinFileOptions extends TwinSubject {
  readonly files: FileLayer;
  /** Without the `.1` or `.2` that ends the names of the copies. */
  readonly path: string;
  readonly logger: Logger;
}

export interface TwinRecord {
  /** 1 for the first save, then one more each time. */
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** A pair as it was found. */
export interface FoundTwin {
  readonly current: TwinRecord;
  /** Numbers of the copies that are older than that, damaged or missing. */
  readonly outdated: readonly number[];
}

/**
 * A small value in two full copies, each a file of its own. Copy 1 is written and synced, then copy
 * 2; `save` resolves after both. So whatever single copy is readable is never older than what was
 * promised, and a crash or one damaged byte costs nothing:
 *
 * 1. Both are readable: the newer one counts.
 * 2. One is readable: that one counts, and the other is written again before anything else is.
 * 3. None is readable, but something is there: ERR_CORRUPT. There is no older value to fall back to.
 * 4. They cannot be of one directory: ERR_CORRUPT, and both stay as they are.
 *
 * Not two alternating slots: there, a damaged newer slot silently brings back the older value.
 */
export class TwinFile {
  readonly #options: TwinFileOptions;
  #sequence = 0;

  constructor(options: TwinFileOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** Null when neither copy exists. Called once, before the first `save`. */
  async load(): Promise<TwinRecord | null> {
    const found = await this.look();
    if (found === null) return null;
    const { current, outdated } = found;
    for (const copy of outdated) await this.#heal(copy, current);
    this.#sequence = current.sequence;
    return current;
  }

  /** What `load` would give, and which copies it would write again. Changes nothing. */
  async look(): Promise<FoundTwin | null> {
    const first = await this.#readCopy(1);
    const second = await this.#readCopy(2);
    if (first === 'missing' && second === 'missing') return null;
    const firstRecord = typeof first === 'string' ? null : first;
    const secondRecord = typeof second === 'string' ? null : second;
    const current = this.#newer(firstRecord, secondRecord);
    const outdated = [firstRecord, secondRecord].flatMap((record, place) =>
      record?.sequence === current.sequence ? [] : [place + 1],
    );
    return { current, outdated };
  }

  /** Durable in both copies once it resolves. Calls never overlap. */
  async save(body: Uint8Array): Promise<void> {
    const { files } = this.#options;
    const isNew = this.#sequence === 0;
    this.#sequence += 1;
    const bytes = this.#encode({ sequence: this.#sequence, body });
    for (const copy of [1, 2]) {
      const path = this.#copyPath(copy);
      // A first copy appears whole or not at all, so that a torn one cannot look like damage.
      if (isNew) await writeWhole(files, path, bytes);
      // Without `create`: a folder that was removed under a running node must not go unnoticed.
      else await overwrite(files, path, bytes, { create: false }).catch(whereGone(path));
    }
  }

  /** Fails where the copies were taken away since they were saved. */
  async check(): Promise<void> {
    const path = this.#copyPath(1);
    const bytes = await this.#options.files.read(path);
    if (bytes === null) throw gone(path);
  }

  #newer(first: TwinRecord | null, second: TwinRecord | null): TwinRecord {
    const { path, canFollow = () => true } = this.#options;
    if (first === null && second === null) throw corrupt(`${path}.1`, 'no copy is readable');
    if (first === null || second === null) {
      const record = first ?? second;
      assert(record !== null, 'one of the two copies is readable');
      return record;
    }
    const [older, newer] = first.sequence >= second.sequence ? [second, first] : [first, second];
    const isPossible =
      older.sequence === newer.sequence
        ? equalBytes(older.body, newer.body)
        : canFollow(older.body, newer.body);
    if (!isPossible) throw corrupt(`${path}.1`, 'the two copies contradict each other');
    return newer;
  }

  /** Only ever replaces the copy that does not count. */
  async #heal(copy: number, record: TwinRecord): Promise<void> {
    const { files, logger } = this.#options;
    const path = this.#copyPath(copy);
    logger.warn({ event: 'storage.copyRestored', path }, 'a copy is written again from the other');
    await files.makeFolder(dirname(path));
    await writeWhole(files, path, this.#encode(record));
  }

  async #readCopy(copy: number): Promise<TwinRecord | 'missing' | 'damaged'> {
    const bytes = await this.#options.files.read(this.#copyPath(copy));
    return bytes === null ? 'missing' : (this.#decode(bytes) ?? 'damaged');
  }

  #encode({ sequence, body }: TwinRecord): Uint8Array {
    const owner = encodeUtf8(this.#options.owner);
    const paddingBytes = CHECKED_BYTES - HEADER_BYTES - owner.length - body.length;
    assert(paddingBytes >= 0, 'a small value fits its copy');
    const bytes = new ByteWriter(COPY_BYTES)
      .bytes(MAGIC)
      .u8(LAYOUT)
      .u8(KIND_NUMBERS[this.#options.kind])
      .u8(owner.length)
      .u8(body.length)
      .u64(sequence)
      .bytes(owner)
      .bytes(body)
      .bytes(new Uint8Array(paddingBytes))
      .u32(0)
      .finish();
    const view = new DataView(bytes.buffer);
    view.setUint32(CHECKED_BYTES, checksum(bytes.subarray(0, CHECKED_BYTES)), true);
    return bytes;
  }

  /** Null for anything that is not a whole copy of this very value. */
  #decode(bytes: Uint8Array): TwinRecord | null {
    if (bytes.length !== COPY_BYTES || !isChecked(bytes)) return null;
    const reader = new ByteReader(bytes);
    const magic = reader.bytes(MAGIC.length);
    const layout = reader.u8();
    if (!equalBytes(magic, MAGIC)) return null;
    if (layout !== LAYOUT) throw newerFormat(this.#options.path, layout);
    const kind = reader.u8();
    const ownerLength = reader.u8();
    const bodyLength = reader.u8();
    const sequence = reader.u64();
    const owner = decodeUtf8(reader.bytes(ownerLength));
    const body = reader.bytes(bodyLength);
    if (kind !== KIND_NUMBERS[this.#options.kind] || owner !== this.#options.owner) {
      throw corrupt(this.#options.path, `belongs to ${owner || 'the node'}, or is another file`);
    }
    return { sequence, body };
  }

  #copyPath(copy: number): string {
    return `${this.#options.path}.${copy}`;
  }
}

/** Throws what a write was told, in words where it is this. */
function whereGone(path: string): (error: unknown) => never {
  return (error) => {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw isGone ? gone(path, error) : error;
  };
}

function gone(path: string, cause?: unknown): QuorateError {
  const message =
    `${path} was taken away while the node ran; put the directory back where it was, and start the ` +
    'node again';
  return new QuorateError('ERR_STORAGE', { message, outcome: 'unknown', cause });
}

function isChecked(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(CHECKED_BYTES, true) === checksum(bytes.subarray(0, CHECKED_BYTES));
}

function newerFormat(path: string, layout: number): QuorateError {
  return new QuorateError('ERR_CONFIG', {
    message: `${path} has layout ${layout}, which this version does not know; use a newer version`,
  });
}
