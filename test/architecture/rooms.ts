/**
 * The import table of `docs/architecture.md`. A file belongs to the row with the longest matching
 * path; files of one row may import each other.
 */
export interface Room {
  /** A folder, or one file, from the top of the repository. */
  readonly path: string;
  /** Rows it may import; `lib/kv` stands for that row alone, not for rows inside it. */
  readonly imports: readonly string[];
  /** Rows of which it may import types only, by `import type` or `export type`. */
  readonly types: readonly string[];
  /** Which modules of Node it may import. */
  readonly node: 'none' | 'any' | readonly string[];
  readonly packages: readonly string[];
  /** Values in, values out: no clock, no I/O, no promises, no chance. */
  readonly pure: boolean;
}

const GROUND = ['lib/base', 'lib/interfaces'];
const SIDE_ROOMS = ['lib/events', 'lib/timing', 'lib/observe'];
const BELOW_NODE = [...GROUND, 'lib/store', 'lib/raft', 'lib/wire', 'lib/link', ...SIDE_ROOMS];
const BELOW_KV = [...BELOW_NODE, 'lib/kv/machine', 'lib/node'];
const BELOW_CLUSTER = [...BELOW_KV, 'lib/kv', 'lib/cluster/swim', 'lib/cluster/placement'];
const BELOW_CLIENT = [...GROUND, 'lib/store', 'lib/wire', 'lib/link', ...SIDE_ROOMS];
const CLIENT = ['lib/client', 'lib/client/index.ts'];
const ALL_BUT_DOORS = [...BELOW_CLUSTER, 'lib/cluster', 'lib/actors', ...CLIENT];
const STORAGE = [...GROUND, 'lib/wire', 'storage/identity.ts'];
const IN_MEMORY = ['transports/memory', 'storage/memory'];

/** Packages of tap and typescript are for tests; those that ship are named in each row. */
export const ROOMS: readonly Room[] = [
  room('lib/base', []),
  room('lib/raft', ['lib/base'], { pure: true }),
  room('lib/interfaces', ['lib/base'], { types: ['lib/raft'] }),
  room('lib/store', GROUND),
  room('lib/kv/machine', GROUND, { packages: ['sorted-btree'], pure: true }),
  room('lib/wire', GROUND, {
    types: ['lib/raft', 'lib/kv/machine', 'lib/store'],
    packages: ['protobufjs'],
  }),
  room('lib/link', [...GROUND, 'lib/wire']),
  room('lib/events', GROUND, { packages: ['eventemitter3'] }),
  room('lib/timing', GROUND),
  room('lib/observe', GROUND),
  room('lib/node', BELOW_NODE),
  room('lib/kv', BELOW_KV),
  room('lib/cluster/swim', ['lib/base'], { pure: true }),
  room('lib/cluster/placement', ['lib/base'], { pure: true }),
  room('lib/cluster', BELOW_CLUSTER),
  room('lib/actors', [...BELOW_CLUSTER, 'lib/cluster']),
  room('lib/client', BELOW_CLIENT, { types: ['lib/kv'] }),
  room('lib/client/index.ts', [...BELOW_CLIENT, 'lib/client', 'transports/tcp'], {
    types: ['lib/kv'],
  }),
  room('lib/server', [...ALL_BUT_DOORS, 'transports/tcp'], { node: 'any' }),
  room('lib/testing', ['lib/index.ts', ...ALL_BUT_DOORS, ...IN_MEMORY, 'storage/wal'], {
    node: ['node:assert', 'node:assert/strict'],
  }),
  room('lib/index.ts', [...ALL_BUT_DOORS, ...IN_MEMORY]),
  room('transports/memory', [...GROUND, 'lib/wire'], { node: 'any' }),
  room('transports/tcp', [...GROUND, 'lib/wire'], { node: 'any' }),
  room('transports/http', [...GROUND, 'lib/wire'], { node: 'any' }),
  room('storage/identity.ts', GROUND),
  room('storage/memory', STORAGE, { node: 'any' }),
  room('storage/files', STORAGE, { node: 'any' }),
  room('storage/level', [...STORAGE, 'storage/files'], {
    node: 'any',
    packages: ['classic-level'],
  }),
  room('storage/wal', [...STORAGE, 'storage/files'], { node: 'any' }),
];

/** The folders that the table is about; what stands elsewhere may import anything. */
export const TABLE_ROOTS = ['lib', 'transports', 'storage'] as const;

interface RoomOptions {
  readonly types?: readonly string[];
  readonly node?: Room['node'];
  readonly packages?: readonly string[];
  readonly pure?: boolean;
}

function room(path: string, imports: readonly string[], options: RoomOptions = {}): Room {
  return {
    path,
    imports,
    types: options.types ?? [],
    node: options.node ?? 'none',
    packages: options.packages ?? [],
    pure: options.pure ?? false,
  };
}

/** The row a file belongs to, or null where the table has none. */
export function roomOf(path: string, rooms: readonly Room[] = ROOMS): Room | null {
  let found: Room | null = null;
  for (const one of rooms) {
    const isInside = path === one.path || path.startsWith(`${one.path}/`);
    if (isInside && one.path.length > (found?.path.length ?? 0)) found = one;
  }
  return found;
}
