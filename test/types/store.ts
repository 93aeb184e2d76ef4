/** Held by the compiler alone: what the public types of the store promise. Nothing here runs. */
import type { Condition, StoredEntry } from '../../lib/kv/machine/index.js';
import {
  bytes,
  type Codec,
  createKVStore,
  json,
  type KeyCondition,
  type KVBackend,
  type KVEntry,
  type KVStore,
  type RawEntry,
  utf8,
} from '../../lib/store/index.js';

interface User {
  readonly name: string;
}

/** True only when the two types are the same, not merely assignable. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function expectType<Expected>() {
  return <Actual>(_actual: Actual, _same: Same<Actual, Expected>): void => {};
}

export async function storeTypes(backend: KVBackend): Promise<void> {
  const text = createKVStore(backend, utf8);
  expectType<KVStore<string>>()(text, true);
  expectType<KVStore<Uint8Array>>()(createKVStore(backend, bytes), true);
  const users = createKVStore(backend, json<User>());
  expectType<KVStore<User>>()(users, true);
  expectType<Codec<User>>()(json<User>(), true);
  expectType<KVStore<User>>()(text.namespace('users/', json<User>()), true);

  expectType<User | null>()(await users.get('ann'), true);
  expectType<KVEntry<User> | null>()(await users.getEntry('ann'), true);
  for await (const entry of users.list()) expectType<KVEntry<User>>()(entry, true);
  expectType<readonly KVEntry<User>[]>()((await users.page()).items, true);

  await users.put('ann', { name: 'Ann' }, { signal: undefined, ifAbsent: undefined });
  // @ts-expect-error A value of another type does not pass.
  await users.put('ann', 'Ann');
  // @ts-expect-error Neither does an option that does not exist.
  await users.put('ann', { name: 'Ann' }, { ifExists: true });
  // @ts-expect-error An entry cannot be changed.
  for await (const entry of users.list()) entry.value = { name: 'Bob' };
}

/** What the machine says of entries and conditions fits what the store passes on. */
export function machineTypes(entry: StoredEntry, condition: KeyCondition): RawEntry {
  expectType<Condition>()(condition, true);
  expectType<RawEntry>()(entry, true);
  return entry;
}
