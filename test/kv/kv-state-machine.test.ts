import t from 'tap';
import { encodeUtf8 } from '../../lib/base/index.js';
import { KVStateMachine } from '../../lib/kv/kv-state-machine.js';
import { encodeCommand } from '../../lib/kv/machine/index.js';
import { stateMachineSuite } from '../../lib/testing/state-machine-suite.js';

const key = encodeUtf8('k');
const large = new Uint8Array(100_000).fill(7);

stateMachineSuite({
  name: 'the key-value machine',
  test: (name, body) => t.test(name, body),
  create: () => new KVStateMachine(),
  commands: [
    encodeCommand({ kind: 'put', key, value: encodeUtf8('one'), condition: null }),
    encodeCommand({ kind: 'put', key: encodeUtf8('large'), value: large, condition: null }),
    encodeCommand({ kind: 'put', key, value: encodeUtf8('two'), condition: { modRevision: 1 } }),
    encodeCommand({ kind: 'put', key, value: encodeUtf8('no'), condition: { modRevision: 1 } }),
    encodeCommand({ kind: 'delete', key: encodeUtf8('large'), condition: null }),
    encodeCommand({ kind: 'put', key: encodeUtf8('large'), value: large, condition: null }),
  ],
  queries: [key, encodeUtf8('large'), encodeUtf8('none')],
});

t.test('a snapshot gives its slots back once it was read or left', async (t) => {
  const kv = new KVStateMachine();
  const put = (value: string): void => {
    const command = encodeCommand({ kind: 'put', key, value: encodeUtf8(value), condition: null });
    kv.apply([{ index: 1, term: 1, logTimeMs: 0, commandVersion: 1, command }]);
  };
  put('one');
  for (const leave of [true, false]) {
    const snapshot = kv.snapshot();
    put('two');
    t.equal(kv.machine.usage.slotCount, 2);
    for await (const _ of snapshot) if (leave) break;
    t.equal(kv.machine.usage.slotCount, 1);
  }
});
