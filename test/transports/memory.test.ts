import { test } from 'tap';
import type { NetworkTransport } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { networkTransportSuite, SeededRandom, VirtualClock } from '../../lib/testing/index.js';
import { SystemClock, systemRandom } from '../../lib/timing/index.js';
import {
  type LinkFaults,
  type MemoryNetwork,
  memoryNetwork,
} from '../../transports/memory/index.js';

networkTransportSuite({
  name: 'memory',
  test,
  createNetwork: () => {
    const network = memoryNetwork();
    return {
      transport: (name) => network.transport(name),
      listen: null,
      clock: new SystemClock(),
      random: systemRandom,
    };
  },
});

const VOTE = Uint8Array.of(1, 2, 3);

test('a frame is copied when it is sent: changing it afterwards changes nothing (schedule I5)', async (t) => {
  const world = connected(['a', 'b']);
  const frame = Uint8Array.of(7);
  world.send('a', 'b', frame);
  frame.fill(0);
  world.clock.advance(0);
  t.same(world.received, ['a>b 7']);
});

test('a cut loses frames in its direction only, those under way included, and heals', async (t) => {
  const world = connected(['a', 'b'], { delayMs: 10 });
  world.send('a', 'b', VOTE);
  world.network.cutOneWay('a', 'b');
  world.clock.advance(20);
  t.equal(world.send('a', 'b', VOTE), true, 'the sender does not notice');
  world.send('b', 'a', VOTE);
  world.clock.advance(20);
  t.same(world.received, ['b>a 1,2,3']);
  world.network.restore('a', 'b');
  world.send('a', 'b', VOTE);
  world.clock.advance(20);
  t.same(world.received, ['b>a 1,2,3', 'a>b 1,2,3']);
  t.same(world.events, ['a+b', 'b+a'], 'the connection outlived the cut');
});

test('a reset loses what is under way, is told to both sides, and ends in a new connection', async (t) => {
  const world = connected(['a', 'b'], { delayMs: 10 });
  world.send('a', 'b', VOTE);
  t.equal(world.network.reset('a', 'b'), true);
  world.clock.advance(20);
  t.same(world.received, []);
  t.same(world.events.slice(2), ['a-b connection reset', 'b-a connection reset', 'a+b', 'b+a']);
  world.send('a', 'b', VOTE);
  world.clock.advance(20);
  t.same(world.received, ['a>b 1,2,3']);
  t.equal(world.network.reset('a', 'nobody'), false);
});

test('split and isolate keep groups apart until heal', async (t) => {
  const world = connected(['n1', 'n2', 'n3', 'n4']);
  const reaches = (): string[] => {
    world.received.length = 0;
    for (const from of world.names) {
      for (const to of world.names) if (from !== to) world.send(from, to, VOTE);
    }
    world.clock.advance(1);
    return world.received.map((line) => line.slice(0, 5)).sort();
  };
  t.equal(reaches().length, 12);
  world.network.split([['n1'], ['n2', 'n3']]);
  t.same(reaches(), ['n2>n3', 'n3>n2'], 'nodes that are not named form a group of their own');
  world.network.split([['n1', 'n2', 'n3', 'n4']]);
  world.network.isolate('n2');
  world.network.cut('n1', 'n4');
  t.same(reaches(), ['n1>n3', 'n3>n1', 'n3>n4', 'n4>n3']);
  world.network.heal();
  t.equal(reaches().length, 12);
});

test('a node that restarts during a split connects only when it heals', async (t) => {
  const world = connected(['a', 'b']);
  world.network.split([['a'], ['b']]);
  world.network.crash('b');
  world.clock.advance(1000);
  t.same(world.events, ['a+b', 'b+a'], 'a cannot know');
  t.equal(world.send('a', 'b', VOTE), true);
  world.start('b');
  world.clock.advance(1000);
  t.same(world.events.slice(2), []);
  world.network.heal();
  world.clock.advance(1000);
  t.same(world.events.slice(2), ['a-b connection reset', 'a+b', 'b+a']);
  t.same(world.received, [], 'nothing reaches the later start of the name');
});

test('frames under way reach neither a closed transport nor the next one of its name', async (t) => {
  for (const reorder of [0, 1]) {
    const world = connected(['a', 'b'], { delayMs: 10, reorder });
    world.send('a', 'b', VOTE);
    await world.transports.get('b')!.close();
    world.start('b');
    world.clock.advance(5);
    t.same(world.events.slice(2), ['a-b goodbye', 'a+b', 'b+a']);
    world.clock.advance(20);
    t.same(world.received, []);
  }
});

test('a closed peer says goodbye, a crashed one does not', async (t) => {
  const world = connected(['a', 'b', 'c']);
  await world.transports.get('b')!.close();
  world.network.crash('c');
  world.clock.advance(0);
  t.same(
    world.events.filter((event) => event.startsWith('a-')),
    ['a-b goodbye', 'a-c connection reset'],
  );
});

test('delay keeps the order, reorder breaks it, drop and duplicate change the count', async (t) => {
  const order = (faults: LinkFaults): number[] => {
    const world = connected(['a', 'b'], faults);
    for (let i = 0; i < 200; i += 1) world.send('a', 'b', Uint8Array.of(i));
    world.clock.advance(1000);
    return world.received.map((line) => Number(line.split(' ')[1]));
  };
  const sent = Array.from({ length: 200 }, (_, i) => i);
  t.same(order({ delayMs: [1, 50] }), sent);
  const shuffled = order({ delayMs: [1, 50], reorder: 0.5 });
  t.strictNotSame(shuffled, sent);
  t.same(
    [...shuffled].sort((x, y) => x - y),
    sent,
  );
  const thinned = order({ drop: 0.3 }).length;
  t.ok(thinned > 100 && thinned < 180, `${thinned} of 200`);
  const repeated = order({ duplicate: 0.3 }).length;
  t.ok(repeated > 220 && repeated < 300, `${repeated} for 200`);
  t.same(order({ drop: ({ bytes }) => bytes[0]! % 2 === 1 }).length, 100, 'by predicate');
});

test('a seed decides every fault, and one fault taken away moves no other', async (t) => {
  const run = (seed: string, faults: LinkFaults, noise: boolean): string[] => {
    const world = connected(['a', 'b', 'c'], faults, seed);
    for (let i = 0; i < 100; i += 1) {
      world.send('a', 'b', Uint8Array.of(i));
      if (noise) world.send('a', 'c', Uint8Array.of(i));
    }
    world.clock.advance(1000);
    return world.received.filter((line) => line.startsWith('a>b'));
  };
  const all = { drop: 0.2, duplicate: 0.2, reorder: 0.2, delayMs: [1, 20] } as const;
  t.same(run('1', all, false), run('1', all, false));
  t.strictNotSame(run('1', all, false), run('2', all, false));
  t.same(run('1', all, true), run('1', all, false), 'another link draws from a stream of its own');
  const lost = (faults: LinkFaults): string[] => [...new Set(run('1', faults, false))].sort();
  t.same(lost(all), lost({ drop: 0.2 }), 'the same frames are lost');
});

test('faults are set for a link, a direction or all, and checked', async (t) => {
  const world = connected(['a', 'b', 'c']);
  world.network.setFaults({ drop: 1 });
  world.network.setFaults({ drop: 0 }, { from: 'a' });
  world.network.setFaults({ drop: 1 }, { from: 'a', to: 'c' });
  for (const from of world.names) {
    for (const to of world.names) if (from !== to) world.send(from, to, VOTE);
  }
  world.clock.advance(0);
  t.same(world.received, ['a>b 1,2,3']);
  t.throws(() => world.network.setFaults({ drop: 1.5 }), { code: 'ERR_CONFIG' });
  t.throws(() => world.network.setFaults({ delayMs: [5, 1] }), { code: 'ERR_CONFIG' });
});

interface Bench {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly names: readonly string[];
  readonly transports: Map<string, NetworkTransport>;
  /** `from>to bytes`. */
  readonly received: string[];
  /** `a+b`: a was told that b is connected; `a-b reason`: that it is lost. */
  readonly events: string[];
  start(name: string): void;
  send(from: string, to: string, frame: Uint8Array): boolean;
}

/** Nodes in virtual time, connected before the faults begin. */
function connected(names: readonly string[], faults: LinkFaults = {}, seed = 'seed'): Bench {
  const clock = new VirtualClock();
  const random = new SeededRandom(seed);
  const network = memoryNetwork({ clock, random });
  const transports = new Map<string, NetworkTransport>();
  const received: string[] = [];
  const events: string[] = [];
  const start = (self: string): void => {
    const transport = network.transport(self);
    transports.set(self, transport);
    transport.setPeers(new Map(names.map((name) => [name, name])));
    void transport.start({
      self,
      listen: null,
      maxFrameBytes: 1024,
      maxQueuedBytes: 64 * 1024,
      clock,
      random,
      logger: silentLogger,
      handler: {
        greeting: (lane) => Buffer.from(`${self} ${lane}`),
        judge: (greeting) => {
          const [peer = '', lane] = Buffer.from(greeting).toString().split(' ');
          return { accepted: true, peer, lane: lane === 'bulk' ? 'bulk' : 'control' };
        },
        receive: (from, frame) => received.push(`${from}>${self} ${[...frame].join()}`),
        peerConnected: (peer) => events.push(`${self}+${peer}`),
        peerLost: (peer, reason) => events.push(`${self}-${peer} ${reason}`),
      },
    });
  };
  for (const name of names) start(name);
  clock.advance(1);
  network.setFaults(faults);
  return {
    clock,
    network,
    names,
    transports,
    received,
    events,
    start,
    send: (from, to, frame) => transports.get(from)!.send(to, frame, 'control'),
  };
}
