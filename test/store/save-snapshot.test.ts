import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import t from 'tap';
import { encodeUtf8, QuorateError } from '../../lib/base/index.js';
import type { SnapshotDraft, SnapshotSink } from '../../lib/interfaces/index.js';
import { KVStateMachine } from '../../lib/kv/kv-state-machine.js';
import { COMMAND_VERSION, encodeCommand } from '../../lib/kv/machine/index.js';
import { OpenSaves } from '../../lib/kv/saves.js';
import { createKVStore, type SavedPart, saveSnapshot, utf8 } from '../../lib/store/index.js';
import { VirtualClock } from '../../lib/testing/index.js';
import { MapBackend } from './map-backend.js';

t.test('a save writes every part, in order, and says what was saved', async () => {
  const backend = new MapBackend();
  backend.parts = [bytes(1, 2), bytes(3), bytes(4, 5)];
  const store = createKVStore(backend, utf8);
  await store.put('a', '1');
  const sink = new ListSink();
  deepEqual(await saveSnapshot(store, sink), {
    group: 'default',
    index: 7,
    term: 2,
    revision: 1,
    keyCount: 1,
    sizeBytes: 5,
  });
  deepEqual(sink.events, ['create default 7/2', '1,2', '3', '4,5', 'commit', 'abort']);
  await rejects(saveSnapshot(store.namespace('x/', utf8), sink), { code: 'ERR_CONFIG' });
});

t.test('a save that is cut off begins anew, and gives up the third time', async () => {
  for (const failures of [2, 3]) {
    const backend = new CutBackend(failures);
    backend.parts = [bytes(1), bytes(2)];
    const sink = new ListSink();
    const saving = saveSnapshot(createKVStore(backend, utf8), sink);
    if (failures === 2) equal((await saving).sizeBytes, 2);
    else await rejects(saving, { code: 'ERR_COMPACTED' });
    equal(sink.events.filter((event) => event === 'commit').length, failures === 2 ? 1 : 0);
    equal(sink.events.filter((event) => event === 'abort').length, 3);
  }
});

t.test('a save whose sink fails leaves nothing behind, here and on the server', async () => {
  for (const point of ['create', 'write', 'commit'] as const) {
    const backend = new MapBackend();
    backend.parts = point === 'commit' ? [bytes(1)] : [bytes(1), bytes(2)];
    const sink = new ListSink(point);
    await rejects(saveSnapshot(createKVStore(backend, utf8), sink), /the disk is full/);
    equal(backend.saves.size, 0);
    equal(sink.events.at(-1), point === 'create' ? undefined : 'abort');
  }
});

t.test('parts of two states are not mixed', async () => {
  const backend = new MapBackend();
  backend.parts = [bytes(1), bytes(2)];
  const savePart = backend.savePart.bind(backend);
  backend.savePart = async (cursor) => {
    const part = await savePart(cursor);
    return cursor === null ? part : { ...part, index: part.index + 1 };
  };
  const sink = new ListSink();
  await rejects(saveSnapshot(createKVStore(backend, utf8), sink), { code: 'ERR_PROTOCOL' });
  equal(sink.events.at(-1), 'abort');
});

t.test('a state is handed out in parts of the largest size, however it is cut', async () => {
  for (const chunks of [[], [0], [10], [9, 1], [10, 10], [3, 3, 3, 3, 3], [25, 1], [1, 30]]) {
    const { saves } = opened();
    const state = new Chunks(chunks);
    const sizes: number[] = [];
    const content: number[] = [];
    const take = (part: SavedPart): string | null => {
      sizes.push(part.content.length);
      content.push(...part.content);
      return part.cursor;
    };
    let cursor = take(await saves.begin(STATE, state));
    while (cursor !== null) cursor = take(await saves.next(cursor));
    deepEqual(content, state.all);
    const total = state.all.length;
    equal(sizes.length, Math.max(1, Math.ceil(total / 10)));
    ok(sizes.every((size, i) => i === sizes.length - 1 || size === 10));
    equal(saves.size, 0);
    equal(state.isReleased, true);
  }
});

t.test('nothing is read of a state before it is asked for', async () => {
  const { saves } = opened();
  const state = new Chunks(Array.from({ length: 100 }, () => 5));
  const { cursor } = await saves.begin(STATE, state);
  equal(state.readCount, 3);
  await saves.next(cursor!);
  equal(state.readCount, 5);
  saves.release(cursor!);
  equal(state.isReleased, true);
});

t.test('each part is given once, to whoever asks for the next', async () => {
  const { saves } = opened();
  const first = await saves.begin(STATE, new Chunks([10, 10, 10]));
  const [second, again] = await Promise.allSettled([
    saves.next(first.cursor!),
    saves.next(first.cursor!),
  ]);
  equal(second.status, 'fulfilled');
  equal(again.status === 'rejected' && again.reason.code, 'ERR_COMPACTED');
  await rejects(saves.next(first.cursor!), { code: 'ERR_COMPACTED' });
  for (const cursor of ['', 'other-s1-1', 'i-1-1', 'i-s9-1']) {
    await rejects(saves.next(cursor), { code: 'ERR_COMPACTED' });
    saves.release(cursor);
  }
  equal(saves.size, 1);
});

t.test('what nobody reads is dropped after a minute, and four at once are the most', async () => {
  const { saves, clock } = opened();
  const states = Array.from({ length: 4 }, () => new Chunks([10, 10, 10]));
  const cursors: string[] = [];
  for (const state of states) {
    saves.checkRoom();
    cursors.push((await saves.begin(STATE, state)).cursor!);
  }
  await rejects(async () => saves.checkRoom(), { code: 'ERR_BUSY' });
  await clock.elapse(40_000);
  await saves.next(cursors[0]!);
  await clock.elapse(40_000);
  deepEqual(
    states.map(({ isReleased }) => isReleased),
    [false, true, true, true],
  );
  await clock.elapse(60_000);
  equal(states[0]!.isReleased, true);
  await rejects(saves.next(cursors[1]!), { code: 'ERR_COMPACTED' });
});

t.test('closing releases every state, and a state that fails is released', async () => {
  const { saves } = opened();
  const held = new Chunks([10, 10]);
  await saves.begin(STATE, held);
  const failing = new Chunks([10, 10], 1);
  await rejects(saves.begin(STATE, failing), /the machine failed/);
  equal(failing.isReleased, true);
  saves.close();
  equal(held.isReleased, true);
  equal(saves.size, 0);
});

t.test(
  'a state that is dropped while it is read does not pass for one that ends there',
  async () => {
    const machine = new KVStateMachine();
    for (let index = 1; index <= 40; index += 1) {
      const key = encodeUtf8(`k${index}`);
      const put = { kind: 'put', key, value: new Uint8Array(10_000), condition: null } as const;
      const command = encodeCommand(put);
      machine.apply([{ index, term: 1, logTimeMs: 0, commandVersion: COMMAND_VERSION, command }]);
    }
    const saves = new OpenSaves({ clock: new VirtualClock(), maxPartBytes: 1e6, instance: 'i' });
    const part = saves.begin(STATE, machine.snapshot());
    saves.close();
    await rejects(part, { code: 'ERR_COMPACTED' });
  },
);

const STATE = {
  group: 'g',
  index: 3,
  term: 2,
  logTimeMs: 0,
  configuration: bytes(1),
  revision: 1,
  keyCount: 1,
};

function opened(): { readonly saves: OpenSaves; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  return { clock, saves: new OpenSaves({ clock, maxPartBytes: 10, instance: 'i' }) };
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** Chunks of these sizes, that know how far they were read. */
class Chunks implements AsyncIterable<Uint8Array> {
  readonly all: number[] = [];
  readCount = 0;
  isReleased = false;
  readonly #chunks: Uint8Array[];
  readonly #failsAt: number;

  constructor(sizes: readonly number[], failsAt = -1) {
    this.#failsAt = failsAt;
    this.#chunks = sizes.map((size) => {
      const chunk = Uint8Array.from({ length: size }, () => (this.all.length + size) % 256);
      this.all.push(...chunk);
      return chunk;
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        if (this.readCount === this.#failsAt) throw new Error('the machine failed');
        const value = this.#chunks[this.readCount];
        this.readCount += 1;
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: async () => {
        this.isReleased = true;
        return { done: true, value: undefined };
      },
    };
  }
}

/** A server that goes away in the middle of the first saves. */
class CutBackend extends MapBackend {
  #failures: number;

  constructor(failures: number) {
    super();
    this.#failures = failures;
  }

  override async savePart(cursor: string | null): Promise<SavedPart> {
    if (cursor !== null && this.#failures > 0) {
      this.#failures -= 1;
      throw new QuorateError('ERR_COMPACTED', { message: 'gone' });
    }
    return await super.savePart(cursor);
  }
}

class ListSink implements SnapshotSink {
  readonly events: string[] = [];
  readonly #failsAt: string | null;

  constructor(failsAt: 'create' | 'write' | 'commit' | null = null) {
    this.#failsAt = failsAt;
  }

  async create(group: string, draft: SnapshotDraft): ReturnType<SnapshotSink['create']> {
    this.#do('create', `create ${group} ${draft.index}/${draft.term}`);
    let sizeBytes = 0;
    return {
      write: async (chunk) => {
        sizeBytes += chunk.length;
        this.#do('write', chunk.join());
      },
      commit: async () => {
        this.#do('commit', 'commit');
        return { ...draft, id: 's', sizeBytes };
      },
      abort: async () => void this.events.push('abort'),
    };
  }

  #do(point: string, event: string): void {
    if (point === this.#failsAt) throw new Error('the disk is full');
    this.events.push(event);
  }
}
