import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { QuorateError } from '../../lib/base/index.js';
import { CHUNK_BYTES } from './snapshot-format.js';

/** How new snapshots are stored. Each file names its own, and is read whatever the setting is now. */
export type SnapshotCompression = 'none' | 'gzip';

/** One way to store the chunks of a snapshot. */
export interface Compression {
  /** As the header of a file names it. */
  readonly name: string;
  /** What is stored for a chunk of content: shorter than it, or else the content itself. */
  pack(content: Uint8Array): Promise<Uint8Array>;
  /** A chunk of `contentBytes`; null where the stored bytes are none. */
  unpack(stored: Uint8Array, contentBytes: number): Promise<Uint8Array | null>;
}

const compress = promisify(gzip);
const expand = promisify(gunzip);

const NONE: Compression = {
  name: 'none',
  pack: async (content) => content,
  unpack: async (stored, contentBytes) => (stored.length === contentBytes ? stored : null),
};

/** Level 1, on a thread of the pool, a chunk at a time: a snapshot takes one thread and no turn. */
const GZIP: Compression = {
  name: 'gzip',
  async pack(content) {
    // Room for all of it at once: otherwise the event loop is asked for every 16 KiB.
    const packed = await compress(content, { level: 1, chunkSize: CHUNK_BYTES });
    return packed.length < content.length ? plainBytes(packed) : content;
  },
  async unpack(stored, contentBytes) {
    // What did not get shorter is stored as it is; a length that is equal says so.
    if (stored.length === contentBytes) return stored;
    const limits = { maxOutputLength: CHUNK_BYTES, chunkSize: CHUNK_BYTES };
    const content = await expand(stored, limits).catch(() => null);
    return content?.length === contentBytes ? plainBytes(content) : null;
  },
};

/** The same memory, for those who know no `Buffer`. */
function plainBytes({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

const KNOWN: ReadonlyMap<string, Compression> = new Map([NONE, GZIP].map((one) => [one.name, one]));

/** Null for one that this version does not know. */
export function compressionNamed(name: string): Compression | null {
  return KNOWN.get(name) ?? null;
}

/** ERR_CONFIG for what is no `SnapshotCompression`. */
export function checkCompression(name: string): Compression {
  const known = compressionNamed(name);
  if (known !== null) return known;
  throw new QuorateError('ERR_CONFIG', {
    message: `snapshotCompression must be one of ${[...KNOWN.keys()].join(', ')}, not ${name}`,
  });
}
