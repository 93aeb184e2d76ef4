import fc from 'fast-check';
import t from 'tap';
import { type Limits, QuorateError, resolveLimits } from '../../lib/base/index.js';
import { FunctionLogger, type LogLine } from '../../lib/observe/index.js';
import { ClientSession } from '../../lib/server/client-session.js';
import {
  type ClientCall,
  type ClientFrame,
  decodeServerFrame,
  encodeClientFrame,
  type ServerFrame,
} from '../../lib/wire/index.js';
import { ServedBackend } from '../client/memory-servers.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const get = (key: number): ClientCall => ({
  kind: 'get',
  key: bytes(key),
  consistency: 'linearizable',
});

t.test('a hello is answered with who serves, and with limits', async (t) => {
  const { session, sent } = opened({ greet: false, limits: { maxPendingCalls: 7 } });
  session.onFrame(encodeClientFrame({ kind: 'hello', protocolVersion: 1 }));
  t.same(sent, [
    {
      kind: 'hello',
      protocolVersion: 1,
      nodeId: 'n1',
      clusterId: '2'.repeat(16),
      maxKeyBytes: 64,
      maxValueBytes: 100,
      maxPendingCalls: 7,
    },
  ]);
});

t.test('calls are answered by id, as they are done and not as they came', async (t) => {
  const { session, sent, backend } = opened();
  const release: (() => void)[] = [];
  backend.before = () => new Promise<void>((resolve) => release.push(resolve));
  for (const id of [1, 2, 3]) session.onFrame(request(id, get(id)));
  for (const each of [2, 0, 1]) {
    release[each]!();
    await turn();
  }
  t.same(
    sent.map((frame) => (frame.kind === 'response' ? frame.id : null)),
    [3, 1, 2],
  );
});

t.test('what a client must not send ends its connection with a reason, once', async (t) => {
  const hello = encodeClientFrame({ kind: 'hello', protocolVersion: 1 });
  const wrong: Readonly<Record<string, readonly Uint8Array[]>> = {
    'not protobuf': [bytes(255, 255, 255)],
    'an empty frame': [bytes()],
    'another version': [encodeClientFrame({ kind: 'hello', protocolVersion: 9 })],
    'a request before the hello': [request(1, get(1))],
    'a second hello': [hello, hello],
    'the id of a call under way': [hello, request(1, get(1)), request(1, get(2))],
  };
  for (const [name, frames] of Object.entries(wrong)) {
    const { session, sent, refusals, state, backend } = opened({ greet: false });
    backend.before = () => new Promise(() => {});
    for (const frame of frames) session.onFrame(frame);
    t.match(sent.at(-1), { kind: 'refusal', error: { code: 'ERR_PROTOCOL' } }, name);
    t.equal(state.closed, true, name);
    session.onFrame(hello);
    session.onFrame(bytes(1));
    t.equal(refusals.length, 1, `${name}: one line`);
    t.equal(sent.filter(({ kind }) => kind === 'refusal').length, 1, `${name}: one answer`);
    await turn();
  }
});

t.test(
  'random frames never throw: they end their connection or are calls (fault E1)',
  async (t) => {
    const backend = new ServedBackend();
    let ended = 0;
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(fc.nat(200), fc.nat(7)).map(([at, bit]) => {
        const whole = request(1, { kind: 'release', cursor: 'c' });
        whole[at % whole.length]! ^= 1 << bit;
        return whole;
      }),
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 3 }), (frames) => {
        const { session, state, sent } = opened({ backend });
        for (const each of frames) session.onFrame(each);
        if (state.closed) ended += 1;
        return state.closed === (sent.at(-1)?.kind === 'refusal');
      }),
      { numRuns: 500 },
    );
    await turn();
    t.ok(ended > 0 && backend.asked.length > 0, 'both happen');
  },
);

t.test('sizes are checked here too, because a client may be anybody (fault E12)', async (t) => {
  const { session, sent, backend } = opened();
  const put = (keyBytes: number, valueBytes: number): ClientCall => ({
    kind: 'put',
    key: new Uint8Array(keyBytes),
    value: new Uint8Array(valueBytes),
    condition: null,
  });
  const range = (limit: number, fromBytes = 0): ClientCall => ({
    kind: 'range',
    from: new Uint8Array(fromBytes),
    to: null,
    limit,
    reverse: false,
    consistency: 'stale',
    cursor: null,
  });
  const cases: readonly (readonly [ClientCall, string | null])[] = [
    [put(0, 0), 'ERR_CONFIG'],
    [put(1, 0), null],
    [put(64, 100), null],
    [put(65, 1), 'ERR_TOO_LARGE'],
    [put(1, 101), 'ERR_TOO_LARGE'],
    [{ kind: 'delete', key: bytes(), condition: null }, 'ERR_CONFIG'],
    [{ kind: 'get', key: new Uint8Array(65), consistency: 'stale' }, 'ERR_TOO_LARGE'],
    [range(0), 'ERR_CONFIG'],
    [range(1001), 'ERR_CONFIG'],
    [range(1000), null],
    [range(1, 66), 'ERR_TOO_LARGE'],
  ];
  for (const [i, [call, code]] of cases.entries()) {
    session.onFrame(request(i, call));
    await turn();
    const answer = sent.at(-1);
    const failed = answer?.kind === 'response' && answer.answer.kind === 'failure';
    t.equal(failed ? answer.answer.error.code : null, code, JSON.stringify(call.kind));
  }
  t.equal(backend.asked.length, cases.filter(([, code]) => code === null).length);
});

t.test('calls beyond the limit of one connection are ERR_BUSY and the others go on', async (t) => {
  const { session, sent, backend } = opened({ limits: { maxPendingCalls: 2 } });
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  backend.before = () => held;
  for (const id of [1, 2, 3]) session.onFrame(request(id, get(id)));
  await turn();
  t.match(sent, [{ id: 3, answer: { kind: 'failure', error: { code: 'ERR_BUSY' } } }]);
  release();
  await turn();
  session.onFrame(request(4, get(4)));
  await turn();
  t.match(sent.at(-1), { id: 4, answer: { kind: 'get' } }, 'answered calls make room');
});

t.test('a client that is gone aborts its calls, and nothing is sent to it', async (t) => {
  const { session, sent, backend } = opened();
  backend.before = async () => {
    await turn();
  };
  session.onFrame(request(1, get(1)));
  session.onFrame(request(2, get(2)));
  session.onClose('connection reset');
  t.same(
    backend.signals.map((signal) => signal.aborted),
    [true, true],
  );
  await turn();
  await turn();
  t.same(sent, []);
});

t.test('a client that does not read its answers is closed', async (t) => {
  const { session, state, refusals } = opened();
  state.takes = false;
  session.onFrame(request(1, get(1)));
  await turn();
  t.equal(state.closed, true);
  t.same(refusals, ['the client does not read its answers']);
});

t.test('an error of the store arrives as it is, an accident without its text', async (t) => {
  const { session, sent, backend, lines } = opened();
  const thrown: unknown[] = [
    new QuorateError('ERR_NO_LEADER', { message: 'electing' }),
    new TypeError('a secret'),
  ];
  backend.before = () => {
    throw thrown.shift();
  };
  session.onFrame(request(1, get(1)));
  session.onFrame(request(2, get(2)));
  await turn();
  t.match(sent, [
    { id: 1, answer: { error: { code: 'ERR_NO_LEADER', outcome: 'rejected' } } },
    { id: 2, answer: { error: { code: 'ERR_CLOSED', outcome: 'unknown' } } },
  ]);
  t.notMatch(JSON.stringify(sent), /secret/);
  t.equal(lines.length, 1);
});

t.test('an answer that does not fit a frame is an error, not a broken connection', async (t) => {
  const { session, sent, backend, state } = opened({ limits: { maxAppendBytes: 1 } });
  for (let i = 0; i < 200; i += 1) {
    const value = new Uint8Array(100);
    const key = Uint8Array.from({ length: 60 }, (_, at) => (at === 0 ? i : 1));
    await backend.execute({ kind: 'put', key, value, condition: null });
  }
  const whole: ClientCall = {
    kind: 'range',
    from: bytes(),
    to: null,
    limit: 1000,
    reverse: false,
    consistency: 'stale',
    cursor: null,
  };
  // The frame has room for the longest entry and 64 KiB beside it: four listings of these do not fit.
  backend.repeatItems = 4;
  session.onFrame(request(1, whole));
  await turn();
  t.match(sent, [{ id: 1, answer: { error: { code: 'ERR_TOO_LARGE', outcome: 'rejected' } } }]);
  t.equal(state.closed, false);
});

t.test('draining refuses new calls and resolves when those under way are answered', async (t) => {
  const { session, sent, backend } = opened();
  let release = (): void => {};
  backend.before = () =>
    new Promise((resolve) => {
      release = resolve;
    });
  session.onFrame(request(1, get(1)));
  let drained = false;
  const draining = session.drain().then(() => {
    drained = true;
  });
  session.onFrame(request(2, get(2)));
  await turn();
  t.match(sent, [{ id: 2, answer: { error: { code: 'ERR_CLOSED', outcome: 'rejected' } } }]);
  t.equal(drained, false);
  release();
  await draining;
  t.match(sent.at(-1), { id: 1, answer: { kind: 'get' } });
});

t.test('what is left when a server closes is answered with what may be concluded', async (t) => {
  for (const outcome of ['rejected', 'unknown'] as const) {
    const { session, sent, backend } = opened();
    backend.before = () =>
      new Promise((_, reject) => {
        backend.signals.at(-1)?.addEventListener('abort', () => {
          reject(new QuorateError('ERR_ABORTED', { message: 'the caller gave up', outcome }));
        });
      });
    session.onFrame(request(1, get(1)));
    const drained = session.drain();
    session.giveUp();
    await drained;
    t.match(sent, [{ id: 1, answer: { error: { code: 'ERR_CLOSED', outcome } } }]);
  }
});

t.test('what a client has not saved to its end is released when it is gone', async (t) => {
  for (const end of ['idle', 'close', 'full'] as const) {
    const { session, sent, backend, state } = opened();
    backend.parts = [bytes(1), bytes(2), bytes(3), bytes(4)];
    session.onFrame(request(1, { kind: 'save', cursor: null }));
    await turn();
    session.onFrame(request(2, { kind: 'save', cursor: 'part 0' }));
    await turn();
    t.match(sent.at(-1), { answer: { part: { content: bytes(2), cursor: 'part 1' } } });
    t.same([...backend.saves], ['part 1']);
    // Asked for, and answered after the client has left.
    if (end !== 'idle') session.onFrame(request(3, { kind: 'save', cursor: 'part 1' }));
    if (end === 'full') state.takes = false;
    else session.onClose('reset');
    await turn();
    t.same([...backend.saves], []);
  }
});

interface Opened {
  readonly session: ClientSession;
  readonly backend: ServedBackend;
  readonly sent: ServerFrame[];
  readonly lines: LogLine[];
  readonly refusals: string[];
  readonly state: { closed: boolean; takes: boolean };
}

/** A session whose connection ends in `sent`; greeted unless told otherwise. */
function opened({
  greet = true,
  limits = {},
  backend = new ServedBackend(),
}: {
  greet?: boolean;
  limits?: Partial<Limits>;
  backend?: ServedBackend;
} = {}): Opened {
  const sent: ServerFrame[] = [];
  const lines: LogLine[] = [];
  const refusals: string[] = [];
  const state = { closed: false, takes: true };
  const { maxKeyBytes, maxValueBytes } = backend;
  const session: ClientSession = new ClientSession({
    connection: {
      send: (frame) => {
        if (state.takes) sent.push(decodeServerFrame(frame));
        return state.takes;
      },
      close: () => {
        state.closed = true;
        session.onClose('closed');
      },
    },
    backend,
    limits: { ...resolveLimits(limits), maxKeyBytes, maxValueBytes },
    logger: new FunctionLogger((line) => lines.push(line)),
    onRefused: (reason) => refusals.push(reason),
  });
  if (greet) session.onFrame(encodeClientFrame({ kind: 'hello', protocolVersion: 1 }));
  sent.length = 0;
  return { session, backend, sent, lines, refusals, state };
}

function request(id: number, call: ClientCall): Uint8Array {
  const frame: ClientFrame = { kind: 'request', id, timeoutMs: 1000, call };
  return encodeClientFrame(frame);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
