import t from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import { type ClientOptions, connectWith } from '../../lib/client/connect.js';
import { Endpoints } from '../../lib/client/endpoints.js';
import { FunctionLogger, type LogLine } from '../../lib/observe/index.js';
import { type KVStore, saveSnapshot, utf8 } from '../../lib/store/index.js';
import { SeededRandom } from '../../lib/testing/seeded-random.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';
import { encodeServerFrame } from '../../lib/wire/index.js';
import { MemoryServers, ServedBackend } from './memory-servers.js';

const noLeader = (): QuorateError => new QuorateError('ERR_NO_LEADER', { message: 'electing' });

t.test('a client is a store: values, conditions and listings cross the wire', async (t) => {
  const { store, clock } = await connected();
  const done = within(clock, async () => {
    t.same(await store.put('a', '1'), { revision: 1, created: true });
    t.equal(await store.get('a'), '1');
    t.equal(await store.get('b'), null);
    t.match(await store.getEntry('a'), { key: 'a', value: '1', version: 1, lease: null });
    await t.rejects(store.put('a', '2', { ifAbsent: true }), {
      code: 'ERR_CONDITION',
      outcome: 'rejected',
      entry: { key: 'a', value: '1' },
    });
    for (let i = 0; i < 300; i += 1) await store.put(`k/${i}`, `${i}`);
    let count = 0;
    for await (const { key } of store.list({ prefix: 'k/' })) count += key.startsWith('k/') ? 1 : 0;
    t.equal(count, 300);
    t.same(await store.delete('a'), { deleted: true, revision: 302 });
    await store.ready();
    t.equal(store.status().role, 'leader');
    t.match(store.id, /^client-[0-9a-f]{8}$/);
  });
  await done;
});

t.test('leadership is handed on by way of any server, and who leads then is told', async (t) => {
  const { store, clock, backend } = await connected();
  await within(clock, async () => {
    t.same(await store.transferLeadership('n3'), { leader: 'n3' });
    t.same(await store.transferLeadership(), { leader: 'n2' });
    await t.rejects(store.transferLeadership('no name'), { code: 'ERR_CONFIG' });
  });
  t.same(backend.transfers, ['n3', null], 'a name that cannot be one is not sent');
});

t.test('a priority that cannot be one is not sent', async (t) => {
  const { store, clock } = await connected();
  await within(clock, async () => {
    for (const priority of [-1, 101, 0.5, Number.NaN]) {
      await t.rejects(store.membership.update('n1', { priority }), { code: 'ERR_CONFIG' });
    }
    const sent = store.membership.update('n1', { priority: 3 });
    await t.rejects(sent, { message: /by a store that is opened on a node/ });
  });
});

t.test('a client stays with the cluster that it reached first', async (t) => {
  const { servers, clock, options } = world();
  const [first, other, fresh] = [new ServedBackend(), new ServedBackend(), new ServedBackend()];
  other.clusterId = '3'.repeat(16);
  fresh.clusterId = null;
  servers.serve('a:1', first);
  servers.serve('b:1', other);
  const store = await within(clock, () => open({ ...options, endpoints: ['a:1', 'b:1', 'c:1'] }));
  await within(clock, async () => {
    await store.put('k', '1');
    servers.cut('a:1', { refuse: true });
    const error: unknown = await store
      .get('k', { timeoutMs: 3000 })
      .catch((cause: unknown) => cause);
    t.match(error, {
      code: 'ERR_UNREACHABLE',
      message: /b:1: belongs to cluster 3{16}, and this client to 2{16}/,
    });
    t.equal(other.asked.length, 0);
    t.equal(servers.connections('b:1'), 0);
    // One that belongs to no cluster yet may come to belong to this one.
    servers.serve('c:1', fresh);
    await store.put('k', '2');
    servers.serve('a:1', first);
    t.equal(fresh.asked.length, 1);
    await store.close();
  });
});

t.test('dead and silent endpoints do no harm when one answers', async (t) => {
  const { servers, clock, options } = world();
  servers.serve('c:1', new ServedBackend());
  servers.silent.add('b:1');
  const store = await within(clock, () => open({ ...options, endpoints: ['a:1', 'b:1', 'c:1'] }));
  t.same(servers.dialed, ['a:1', 'b:1', 'c:1']);
  await within(clock, () => store.put('k', 'v'));
  t.same(servers.dialed.length, 3, 'the one that answered is kept');
});

t.test(
  'a write that got no answer is not repeated, and the next one is asked elsewhere',
  async (t) => {
    const { servers, clock, options } = world();
    const [silent, other] = [new ServedBackend(), new ServedBackend()];
    servers.serve('a:1', silent);
    servers.serve('b:1', other);
    const store = await within(clock, () => open({ ...options, endpoints: ['a:1', 'b:1'] }));
    silent.before = () => new Promise<void>(() => {});
    const lost = { code: 'ERR_TIMEOUT', outcome: 'unknown' };
    await within(clock, () => t.rejects(store.put('k', '1', { timeoutMs: 200 }), lost));
    t.equal(other.asked.length, 0);
    await within(clock, () => store.put('k', '2', { timeoutMs: 200 }));
    t.equal(other.asked.length, 1);
  },
);

t.test('many calls that wait for one connection are no reason to warn', async (t) => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const { servers, clock, options } = world();
  servers.serve('a:1', new ServedBackend());
  const store = await within(clock, () => open({ ...options, endpoints: ['a:1'] }));
  servers.cut('a:1');
  await within(clock, () => Promise.all(Array.from({ length: 50 }, (_, i) => store.get(`${i}`))));
  await new Promise((resolve) => setImmediate(resolve));
  t.same(warnings, []);
});

t.test('a server that knows no leader is not asked while another one is there', async (t) => {
  const { servers, clock, options } = world();
  const [cutOff, leader] = [new ServedBackend(), new ServedBackend()];
  cutOff.leader = null;
  // As a node does that hopes for a leader to come.
  cutOff.before = () => new Promise<void>(() => {});
  servers.serve('a:1', cutOff);
  servers.serve('b:1', leader);
  const store = await within(clock, () => open({ ...options, endpoints: ['a:1', 'b:1'] }));
  const startMs = clock.now();
  await within(clock, () => store.put('k', 'v'));
  t.ok(clock.now() - startMs < 1000);
  t.equal(leader.asked.length, 1);
});

t.test('connecting to nobody says what each endpoint said', async (t) => {
  const { clock, options, servers } = world();
  servers.silent.add('b:1');
  const startMs = clock.now();
  await within(clock, () =>
    t.rejects(open({ ...options, endpoints: ['a:1', 'b:1'], callTimeoutMs: 2000 }), {
      outcome: 'rejected',
      message: /a:1: connection refused; b:1: no hello within/,
    }),
  );
  t.ok(clock.now() - startMs <= 2100, 'within its deadline');
  t.equal(clock.pending, 0, 'nothing is left behind');
  for (const endpoints of [[], [''], 'a:1' as never]) {
    await t.rejects(open({ ...options, endpoints }), { code: 'ERR_CONFIG' });
  }
  await t.rejects(open({ ...options, endpoints: ['a:1'], callTimeoutMs: 0 }), {
    code: 'ERR_CONFIG',
  });
});

t.test(
  'a write that did not happen is asked again until it does, within its deadline',
  async (t) => {
    const { store, backend, clock } = await connected();
    let refusals = 5;
    backend.before = () => {
      refusals -= 1;
      if (refusals >= 0) throw noLeader();
    };
    t.same(await within(clock, () => store.put('k', 'v')), { revision: 1, created: true });
    refusals = Number.POSITIVE_INFINITY;
    const startMs = clock.now();
    const error = await within(clock, () =>
      store.put('k', 'w', { timeoutMs: 700 }).catch((e) => e),
    );
    t.match(
      error,
      { code: 'ERR_NO_LEADER', outcome: 'rejected' },
      'the reason, not just "too late"',
    );
    t.ok(clock.now() - startMs <= 700, `${clock.now() - startMs} ms`);
    const held = store.put('k', 'w', { timeoutMs: 700 }).catch((e) => e);
    await clock.elapse(300);
    clock.hold(1000);
    t.match(
      await within(clock, () => held),
      { code: 'ERR_NO_LEADER' },
      'also when the loop was held',
    );
  },
);

t.test('an error that will not pass is not asked again', async (t) => {
  const { store, backend, clock } = await connected();
  for (const code of ['ERR_DENIED', 'ERR_CONFIG', 'ERR_CORRUPT', 'ERR_PROTOCOL'] as const) {
    backend.asked.length = 0;
    backend.before = () => {
      throw new QuorateError(code, { message: 'no' });
    };
    await within(clock, () => t.rejects(store.put('k', 'v'), { code }));
    t.equal(backend.asked.length, 1, code);
  }
});

t.test('a write whose outcome is unknown is never asked again', async (t) => {
  const { store, servers, backend, clock } = await connected(['a:1', 'b:1']);
  const other = new ServedBackend();
  servers.serve('b:1', other);
  backend.before = () => {
    throw new QuorateError('ERR_TIMEOUT', { message: 'no majority', outcome: 'unknown' });
  };
  const unknown = { outcome: 'unknown' };
  await within(clock, () => t.rejects(store.put('k', 'v'), { code: 'ERR_TIMEOUT', ...unknown }));
  t.equal(other.asked.length, 0);
  // The next call is asked elsewhere: it is another one.
  other.before = () => new Promise(() => {});
  const lost = store.delete('k').catch((e) => e);
  await clock.elapse(10);
  servers.cut('b:1');
  t.match(await within(clock, () => lost), { code: 'ERR_UNREACHABLE', ...unknown });
  await clock.elapse(1000);
  t.match(backend.asked, [{ kind: 'put' }]);
  t.match(other.asked, [{ kind: 'delete' }]);
  t.equal(backend.asked.length + other.asked.length, 2);
});

t.test('a read whose connection is lost is answered by another server', async (t) => {
  const { store, servers, backend, clock } = await connected(['a:1', 'b:1']);
  const other = new ServedBackend();
  servers.serve('b:1', other);
  backend.before = () => new Promise(() => {});
  const read = store.get('k');
  const page = store.page({ prefix: 'k' });
  await clock.elapse(10);
  servers.cut('a:1', { refuse: true });
  t.equal(await within(clock, () => read), null);
  t.same((await within(clock, () => page)).items, []);
  t.equal(other.asked.length, 2);
  t.same(servers.dialed, ['a:1', 'b:1'], 'both calls go on to the same server');
});

t.test('a connection that was lost is opened again, and a server heard of is tried', async (t) => {
  const { store, servers, backend, clock } = await connected();
  servers.cut('a:1');
  await within(clock, () => store.put('k', 'v'));
  t.same(servers.dialed, ['a:1', 'a:1']);
  const other = new ServedBackend();
  servers.serve('b:1', other);
  backend.clientAddresses = { n1: 'a:1', n2: 'b:1' };
  await clock.elapse(2100);
  servers.cut('a:1', { refuse: true });
  await within(clock, () => store.put('k', 'w'));
  t.equal(other.asked.length, 1);
});

t.test('a page whose connection is lost is asked for again at its own server', async (t) => {
  const { store, servers, backend, clock } = await connected(['b:1', 'a:1']);
  servers.serve('b:1', new ServedBackend());
  for (const key of ['a', 'b', 'c']) await within(clock, () => store.put(key, key));
  const first = await within(clock, () => store.page({ limit: 2 }));
  backend.before = () => new Promise(() => {});
  const second = store.page({ limit: 2, cursor: first.cursor ?? '' });
  await clock.elapse(10);
  backend.before = () => {};
  servers.cut('a:1');
  t.same(
    (await within(clock, () => second)).items.map(({ key }) => key),
    ['c'],
  );
});

t.test('a connection that ends as it begins is neither used nor left open', async (t) => {
  const { store, servers, clock } = await connected();
  servers.cut('a:1');
  servers.afterFrame = () => {
    servers.afterFrame = () => {};
    servers.cut('a:1');
  };
  await within(clock, () => store.put('k', 'v'));
  t.same(servers.dialed.length, 3);
});

t.test('a client that is closed while it connects leaves no connection', async (t) => {
  for (let turns = 0; turns < 10; turns += 1) {
    const { store, servers, clock } = await connected();
    servers.cut('a:1');
    servers.afterFrame = () => {
      servers.afterFrame = () => {};
      closeAfter(turns);
    };
    const closeAfter = (left: number): void => {
      if (left === 0) void store.close();
      else queueMicrotask(() => closeAfter(left - 1));
    };
    const put = store.put('k', 'v').catch((e) => e);
    t.match(await within(clock, () => put), { code: 'ERR_CLOSED' }, `after ${turns} turns`);
    await clock.elapse(10);
    t.equal(servers.connections('a:1'), 0);
    t.equal(clock.pending, 0);
  }
});

t.test(
  'a preferred address that is no longer told gives way to those that were given',
  async (t) => {
    const endpoints = new Endpoints(['a:1', 'b:1']);
    endpoints.learn(['c:1', 'a:1']);
    t.same(endpoints.all(), ['a:1', 'b:1', 'c:1']);
    endpoints.prefer('c:1');
    endpoints.learn(['d:1']);
    t.equal(endpoints.preferred, 'a:1');
    endpoints.avoid('a:1');
    endpoints.learn([]);
    t.equal(endpoints.preferred, 'b:1');
    endpoints.learn(['c:1']);
    endpoints.avoid('b:1');
    endpoints.avoid('a:1');
    t.equal(endpoints.preferred, 'c:1', 'a call that failed elsewhere long ago moves nothing');
  },
);

t.test('a server that stops sends its clients to another one', async (t) => {
  const { store, servers, backend, clock } = await connected(['a:1', 'b:1']);
  const other = new ServedBackend();
  servers.serve('b:1', other);
  backend.before = () => {
    throw new QuorateError('ERR_CLOSED', { message: 'the node is closed' });
  };
  await within(clock, () => store.put('k', 'v'));
  t.equal(other.asked.length, 1);
});

t.test('a hint is followed when the client address of the leader is known', async (t) => {
  const { servers, clock, options } = world();
  const [follower, leader, third] = [new ServedBackend(), new ServedBackend(), new ServedBackend()];
  servers.serve('a:1', follower);
  servers.serve('b:1', third);
  servers.serve('leader:1', leader);
  follower.clientAddresses = { n3: 'leader:1', n4: null };
  const store = await within(clock, () => open({ ...options, endpoints: ['a:1', 'b:1'] }));
  const hint = (id: string): QuorateError =>
    new QuorateError('ERR_NOT_LEADER', { message: 'no', leader: { id, address: 'peer:7' } });
  follower.before = () => {
    throw hint('n3');
  };
  await within(clock, () => store.put('k', 'v'));
  t.equal(leader.asked.length, 1);
  leader.before = () => {
    throw hint('n4');
  };
  follower.before = () => {};
  await within(clock, () => store.put('k', 'v'));
  t.equal(
    third.asked.length + follower.asked.length,
    2,
    'n4 serves no clients, so another is asked',
  );
  t.notOk(servers.dialed.includes('peer:7'), 'a peer address is never dialed');
});

t.test('the pages of a listing come from the server that holds its view', async (t) => {
  const { store, servers, backend, clock } = await connected(['a:1', 'b:1']);
  servers.serve('b:1', new ServedBackend());
  for (const key of ['a', 'b', 'c']) await within(clock, () => store.put(key, key));
  const first = await within(clock, () => store.page({ limit: 2 }));
  t.ok(first.cursor);
  let failures = 1;
  backend.before = () => {
    failures -= 1;
    if (failures >= 0) throw noLeader();
  };
  await within(clock, () => store.get('moves on to b:1'));
  const second = await within(clock, () => store.page({ limit: 2, cursor: first.cursor! }));
  t.same(
    second.items.map(({ key }) => key),
    ['c'],
  );
  for (const cursor of ['nonsense', 'evil.example:1|7']) {
    await t.rejects(store.page({ cursor }), { code: 'ERR_COMPACTED', outcome: 'rejected' });
  }
  t.notOk(servers.dialed.includes('evil.example:1'));

  const half = await within(clock, () => store.page({ limit: 1, from: 'a' }));
  t.equal(half.cursor, null, 'b:1 is preferred now and is empty');
});

t.test('a save whose server goes away is begun anew at another one', async (t) => {
  const { store, servers, backend, clock } = await connected(['a:1', 'b:1']);
  const other = new ServedBackend();
  servers.serve('b:1', other);
  backend.parts = [Uint8Array.of(1), Uint8Array.of(2)];
  other.parts = [Uint8Array.of(3), Uint8Array.of(4)];
  const saved: string[] = [];
  const saving = saveSnapshot(store, {
    create: async (_, draft) => ({
      write: async (chunk) => {
        saved.push(chunk.join());
        servers.cut('a:1', { refuse: true });
      },
      commit: async () => ({ ...draft, id: 's', sizeBytes: 2 }),
      abort: async () => {},
    }),
  });
  t.match(await within(clock, () => saving), { sizeBytes: 2 });
  t.same(saved, ['1', '3', '4']);
});

t.test('ending a listing early never waits for a server that is gone', async (t) => {
  const { store, servers, backend, clock } = await connected();
  for (let i = 0; i < 300; i += 1) await within(clock, () => store.put(`k${i}`, 'v'));
  await within(clock, async () => {
    for await (const _ of store.list()) break;
  });
  t.equal(backend.asked.at(-1)?.kind, 'release');
  t.equal(backend.openViews, 0);
  await within(clock, async () => {
    for await (const _ of store.list()) {
      servers.cut('a:1', { refuse: true });
      break;
    }
  });
});

t.test('an aborted call says whether it was sent', async (t) => {
  const { store, backend, clock } = await connected();
  const abort = async (during: () => void | Promise<void>): Promise<unknown> => {
    backend.before = during;
    const controller = new AbortController();
    const put = store.put('k', 'v', { signal: controller.signal }).catch((e) => e);
    await clock.elapse(5);
    controller.abort('enough');
    return put;
  };
  const aborted = { code: 'ERR_ABORTED', name: 'AbortError', cause: 'enough' };
  t.match(await abort(() => new Promise(() => {})), { ...aborted, outcome: 'unknown' });
  const whileWaiting = await abort(() => {
    throw noLeader();
  });
  t.match(whileWaiting, { ...aborted, outcome: 'rejected' });
});

t.test('a call that nobody answers ends at its deadline, unknown', async (t) => {
  const { store, backend, clock } = await connected();
  backend.before = () => new Promise(() => {});
  const startMs = clock.now();
  await within(clock, () =>
    t.rejects(store.put('k', 'v', { timeoutMs: 300 }), { code: 'ERR_TIMEOUT', outcome: 'unknown' }),
  );
  t.ok(clock.now() - startMs <= 320);
});

t.test(
  'the server is given less time than the client has, so that its reason arrives',
  async (t) => {
    const { servers, clock, options } = world();
    const backend = new ServedBackend();
    const given: number[] = [];
    const execute = backend.execute.bind(backend);
    backend.execute = (request, options) => {
      given.push((options as { timeoutMs: number }).timeoutMs);
      return execute(request, options);
    };
    servers.serve('a:1', backend);
    const store = await within(clock, () => open({ ...options, endpoints: ['a:1'] }));
    for (const timeoutMs of [5000, 200, 1]) {
      await within(clock, () => store.get('k', { timeoutMs }).catch(() => {}));
    }
    t.same(given, [4900, 180, 1]);
  },
);

t.test('closing settles every call, whatever it waits for, and may be repeated', async (t) => {
  const { store, servers, backend, clock } = await connected();
  backend.before = () => new Promise(() => {});
  const sent = store.put('k', 'v').catch((e) => e);
  await clock.elapse(5);
  servers.silent.add('a:1');
  const settled: Promise<unknown>[] = [sent];
  await store.close();
  await store.close();
  t.match(await sent, { code: 'ERR_CLOSED', outcome: 'unknown' });
  await t.rejects(store.put('k', 'v'), { code: 'ERR_CLOSED', outcome: 'rejected' });
  t.same(await store.closed, { cause: null });
  t.equal(servers.connections('a:1'), 0);
  await Promise.all(settled);
  await clock.elapse(0);
  t.equal(clock.pending, 0, 'no timer is left');
});

t.test('closing ends calls that wait for a connection or for their next attempt', async (t) => {
  const { store, servers, backend, clock } = await connected();
  backend.before = () => {
    throw noLeader();
  };
  const backingOff = store.put('k', 'v').catch((e) => e);
  await clock.elapse(100);
  servers.silent.add('a:1');
  servers.cut('a:1');
  const dialing = store.get('k').catch((e) => e);
  await clock.elapse(50);
  await store.close();
  for (const call of [backingOff, dialing]) {
    t.match(await call, { code: 'ERR_CLOSED', outcome: 'rejected' });
  }
  await clock.elapse(0);
  t.equal(clock.pending, 0);
});

t.test('calls beyond the limit of the client are ERR_BUSY at once', async (t) => {
  const { servers, clock, options } = world();
  const backend = new ServedBackend();
  servers.serve('a:1', backend);
  const store = await within(clock, () =>
    open({ ...options, endpoints: ['a:1'], limits: { maxPendingCalls: 2 } }),
  );
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  backend.before = () => held;
  const calls = [store.get('a'), store.get('b')];
  await t.rejects(store.get('c'), { code: 'ERR_BUSY', outcome: 'rejected' });
  release();
  t.same(await within(clock, () => Promise.all(calls)), [null, null]);
  await within(clock, () => store.get('c'));
});

t.test(
  'a server that speaks nonsense or another version is left for another (faults E1, E4)',
  async (t) => {
    const hello = {
      kind: 'hello',
      protocolVersion: 2,
      nodeId: 'n1',
      clusterId: null,
      maxKeyBytes: 1,
      maxValueBytes: 1,
      maxPendingCalls: 1,
    } as const;
    const refusal = new QuorateError('ERR_PROTOCOL', { message: 'too old' });
    const frames = [
      Uint8Array.from([255, 255, 255]),
      encodeServerFrame(hello),
      encodeServerFrame({ kind: 'refusal', error: refusal }),
    ];
    for (const frame of frames) {
      const { servers, clock, options } = world();
      servers.serve('a:1', new ServedBackend());
      servers.serve('b:1', new ServedBackend());
      servers.reply = () => {
        servers.reply = (own) => own;
        return frame;
      };
      const store = await within(clock, () => open({ ...options, endpoints: ['a:1', 'b:1'] }));
      t.equal(servers.connections('a:1'), 0);
      t.equal(servers.connections('b:1'), 1);
      await store.close();
    }
  },
);

t.test('nonsense in the middle of calls leaves writes unknown and reads answered', async (t) => {
  const { store, servers, clock, lines } = await connected(['a:1', 'b:1']);
  servers.serve('b:1', new ServedBackend());
  servers.reply = () => {
    servers.reply = (own) => own;
    return Uint8Array.from([1, 2, 3]);
  };
  const [write, read] = [store.put('k', 'v').catch((e) => e), store.get('k')];
  t.match(await within(clock, () => write), { code: 'ERR_UNREACHABLE', outcome: 'unknown' });
  t.equal(await within(clock, () => read), null);
  t.equal(lines.filter(({ fields }) => fields['event'] === 'client.badFrame').length, 1);
});

t.test('status and members are refreshed while a server answers', async (t) => {
  const { store, backend, clock } = await connected();
  t.same(store.membership.list(), []);
  backend.clientAddresses = { n1: 'a:1' };
  await clock.elapse(2100);
  t.match(store.membership.list(), [{ id: 'n1', clientAddress: 'a:1' }]);
  t.match(store.status().members, [{ id: 'n1' }]);
});

t.test('ready waits for a server that is ready', async (t) => {
  const { store, backend, clock } = await connected();
  let attempts = 0;
  backend.onReady = async () => {
    attempts += 1;
    if (attempts < 4) throw noLeader();
  };
  await within(clock, () => store.ready());
  t.equal(attempts, 4);
});

t.test('clients that are refused together do not come back together', async (t) => {
  const pauses = async (seed: string): Promise<number[]> => {
    const { servers, clock, options } = world(seed);
    const backend = new ServedBackend();
    servers.serve('a:1', backend);
    const store = await within(clock, () => open({ ...options, endpoints: ['a:1'] }));
    const times: number[] = [];
    backend.before = () => {
      times.push(clock.now());
      throw noLeader();
    };
    await within(clock, () => store.get('k', { timeoutMs: 3000 }).catch(() => {}));
    return times.slice(1).map((time, i) => time - times[i]!);
  };
  const [one, two] = [await pauses('one'), await pauses('two')];
  t.notSame(one, two);
  t.ok(one.length < 30, `${one.length} attempts in 3 s`);
  t.ok(one.every((pause) => pause <= 500));
});

interface World {
  readonly clock: VirtualClock;
  readonly servers: MemoryServers;
  readonly options: Omit<ClientOptions, 'endpoints'>;
  readonly lines: LogLine[];
}

function world(seed = 'client'): World {
  const clock = new VirtualClock();
  const lines: LogLine[] = [];
  const logger = new FunctionLogger((line) => lines.push(line));
  const servers = new MemoryServers(clock, logger);
  const random = new SeededRandom(seed);
  return { clock, servers, lines, options: { dialer: servers, clock, random, logger } };
}

function open(options: ClientOptions): Promise<KVStore<string>> {
  return connectWith(
    () => {
      throw new Error('a dialer is given');
    },
    { ...options, values: utf8 },
  );
}

/** A client of one server, at `a:1`. */
async function connected(
  endpoints: readonly string[] = ['a:1'],
): Promise<World & { store: KVStore<string>; backend: ServedBackend }> {
  const made = world();
  const backend = new ServedBackend();
  made.servers.serve('a:1', backend);
  const store = await within(made.clock, () => open({ ...made.options, endpoints }));
  return { ...made, store, backend };
}

/** Lets virtual time pass until `work` is done. */
async function within<T>(clock: VirtualClock, work: () => Promise<T>): Promise<T> {
  let done = false;
  const result = work().finally(() => {
    done = true;
  });
  result.catch(() => {});
  for (let i = 0; i < 200_000 && !done; i += 1) await clock.elapse(1);
  return result;
}
