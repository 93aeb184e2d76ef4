import assert from 'node:assert/strict';
import {
  at,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  type NodeId,
  QuorateError,
} from '../base/index.js';
import type {
  Clock,
  Lane,
  Logger,
  NetworkTransport,
  Random,
  TransportHandler,
  Verdict,
} from '../interfaces/index.js';

/** Where the transports of one test find each other. */
export interface SuiteNetwork {
  /** A transport for the node `name`, not started; a new one each time. */
  transport(name: NodeId): NetworkTransport;
  /** What `start` is told to listen on, for example `127.0.0.1:0`; null without addresses. */
  readonly listen: string | null;
  /** Must run by itself: the suite waits for conditions. */
  readonly clock: Clock;
  readonly random: Random;
  /** Called at the end of the test, after every transport was closed. */
  close?(): Promise<void>;
}

/** What the suite of the transport port is told. */
export interface NetworkTransportSuite {
  /** Put before the name of each test. */
  readonly name: string;
  /** Registers a test with any runner: it fails when the promise rejects. */
  readonly test: (name: string, body: () => Promise<void>) => unknown;
  /** A network without transports; called once for each test. */
  readonly createNetwork: () => SuiteNetwork | Promise<SuiteNetwork>;
  /** Whether frames of one lane arrive in the order in which they were sent. Default true. */
  readonly ordered?: boolean | undefined;
  /** Whether connections are greeted and may be refused. Default true. */
  readonly greets?: boolean | undefined;
}

const MAX_FRAME_BYTES = 256 * 1024;
const MAX_QUEUED_BYTES = 512 * 1024;
const LANES: readonly Lane[] = ['control', 'bulk'];

/** Checks every line of the contract of `NetworkTransport`. */
export function networkTransportSuite(suite: NetworkTransportSuite): void {
  const { test, createNetwork, ordered = true, greets = true } = suite;
  const check = (name: string, body: (world: World) => Promise<void>): void => {
    test(`${suite.name}: ${name}`, async () => {
      const world = new World(await createNetwork());
      try {
        await body(world);
      } finally {
        await world.close();
      }
      assert.deepEqual(world.violations, []);
    });
  };

  check('frames flow both ways, on the lane they were sent on', async (world) => {
    const [a, b] = await world.pair();
    for (const lane of LANES) {
      assert.equal(a.send('b', bytes(`a on ${lane}`), lane), true);
      assert.equal(b.send('a', bytes(`b on ${lane}`), lane), true);
    }
    await world.until('all four arrive', () => a.frames.length === 2 && b.frames.length === 2);
    assert.deepEqual(b.texts('control'), ['a on control']);
    assert.deepEqual(b.texts('bulk'), ['a on bulk']);
    assert.deepEqual(a.texts('control'), ['b on control']);
    assert.deepEqual(a.texts('bulk'), ['b on bulk']);
    assert.deepEqual([...new Set(b.frames.map(({ from }) => from))], ['a']);
  });

  check('nothing is delivered inside the call to send', async (world) => {
    const [a, b] = await world.pair();
    a.send('b', bytes('later'), 'control');
    assert.equal(b.frames.length, 0);
    await Promise.resolve();
    assert.equal(b.frames.length, 0);
    await world.until('it arrives', () => b.frames.length === 1);
  });

  check(
    'a received frame shares no memory with the sender or another frame (schedule I5)',
    async (world) => {
      const [a, b] = await world.pair();
      const sent = bytes('unchanged');
      for (let i = 0; i < 2; i += 1) a.send('b', sent, 'control');
      await world.until('both arrive', () => b.frames.length === 2);
      at(b.frames, 0).frame.fill(0);
      assert.deepEqual(sent, bytes('unchanged'));
      assert.deepEqual(at(b.frames, 1).frame, bytes('unchanged'));
    },
  );

  check('an empty frame and one of exactly the limit arrive whole and unchanged', async (world) => {
    const [a, b] = await world.pair();
    const largest = pattern(MAX_FRAME_BYTES);
    for (const lane of LANES) {
      assert.equal(a.send('b', largest, lane), true);
      assert.equal(a.send('b', new Uint8Array(0), lane), true);
    }
    await world.until('all arrive', () => b.frames.length === 4);
    const sizes = b.frames.map(({ frame }) => frame.length).sort((x, y) => x - y);
    assert.deepEqual(sizes, [0, 0, MAX_FRAME_BYTES, MAX_FRAME_BYTES]);
    for (const { frame } of b.frames) {
      assert.ok(equalBytes(frame, largest.subarray(0, frame.length)));
    }
  });

  check('send answers false, and never throws, for what cannot be queued', async (world) => {
    const early = world.node('early');
    assert.equal(early.send('b', bytes('before start'), 'control'), false);
    const [a, b] = await world.pair();
    assert.equal(a.send('nobody', bytes('unknown peer'), 'control'), false);
    assert.equal(a.send('a', bytes('to itself'), 'control'), false);
    assert.equal(a.send('b', new Uint8Array(MAX_FRAME_BYTES + 1), 'bulk'), false);
    assert.equal(a.send('b', bytes('still served'), 'bulk'), true);
    await world.until('what was legal arrives', () => b.frames.length === 1);
    await a.close();
    assert.equal(a.send('b', bytes('after close'), 'control'), false);
  });

  check(
    'a full lane refuses frames, loses no queued one and leaves the other lane alone',
    async (world) => {
      const [a, b] = await world.pair();
      const frame = pattern(64 * 1024);
      let queued = 0;
      while (queued < 1000 && a.send('b', frame, 'bulk')) queued += 1;
      assert.ok(queued >= 4, `only ${queued} frames of 64 KiB fit into a queue of 512 KiB`);
      assert.ok(queued < 1000, 'the queue has no limit');
      assert.equal(a.send('b', bytes('heartbeat'), 'control'), true);
      await world.until('everything queued arrives', () => b.frames.length === queued + 1);
      assert.equal(b.texts('control').length, 1);
      await world.until('the lane is usable again', () => a.send('b', frame, 'bulk'));
    },
  );

  check('empty frames fill a queue too', async (world) => {
    const [a, b] = await world.pair();
    let queued = 0;
    while (queued < 500_000 && a.send('b', new Uint8Array(0), 'bulk')) queued += 1;
    assert.ok(queued < 500_000, 'the queue has no limit');
    await world.until('everything queued arrives', () => b.frames.length === queued);
  });

  if (ordered) {
    check('frames of one lane arrive once and in order', async (world) => {
      const [a, b] = await world.pair();
      const count = 2000;
      for (let i = 0; i < count; i += 1) {
        assert.equal(a.send('b', bytes(String(i)), 'bulk'), true);
        if (i % 500 === 0) await world.turn();
      }
      await world.until('all arrive', () => b.frames.length >= count);
      assert.deepEqual(
        b.texts('bulk'),
        Array.from({ length: count }, (_, i) => String(i)),
      );
    });
  }

  check('three nodes all reach each other', async (world) => {
    const nodes = await world.mesh('a', 'b', 'c');
    for (const from of nodes) {
      for (const to of nodes) {
        if (from !== to) assert.equal(from.send(to.name, bytes(from.name), 'control'), true);
      }
    }
    await world.until('six frames', () => nodes.every(({ frames }) => frames.length === 2));
    for (const node of nodes) {
      const senders = node.frames.map(({ from, frame }) => `${from}=${decodeUtf8(frame)}`).sort();
      const others = nodes.filter((other) => other !== node).map(({ name }) => `${name}=${name}`);
      assert.deepEqual(senders, others);
    }
  });

  check(
    'a connected peer can be answered although it is not in the address book',
    async (world) => {
      const a = await world.start('a');
      const b = await world.start('b');
      a.setPeers([b]);
      await world.until('both are told', () => a.isConnected('b') && b.isConnected('a'));
      for (const lane of LANES) assert.equal(b.send('a', bytes('answer'), lane), true);
      await world.until('the answers arrive', () => a.frames.length === 2);
    },
  );

  check(
    'a peer taken out of the address book is disconnected, once, on both sides',
    async (world) => {
      const [a, b, c] = await world.mesh('a', 'b', 'c');
      a.refuses = (peer) => peer === 'b';
      a.setPeers([c]);
      assert.equal(a.send('b', bytes('no longer'), 'control'), false);
      await world.until('both are told', () => !a.isConnected('b') && !b.isConnected('a'));
      assert.equal(a.send('c', bytes('still'), 'control'), true);
      await world.until('the others are served', () => c.frames.length === 1);
      assert.deepEqual(a.history('b'), ['connected', 'lost']);
      assert.deepEqual(a.history('c'), ['connected']);
    },
  );

  check(
    'a closed transport is lost to its peers, and reports nothing more itself',
    async (world) => {
      const [a, b] = await world.pair();
      for (let i = 0; i < 100; i += 1) a.send('b', bytes('on the way'), 'bulk');
      const closing = b.close();
      await Promise.all([closing, b.close()]);
      const calls = b.calls;
      await world.until('a is told', () => {
        a.send('b', bytes('into the void'), 'bulk');
        return !a.isConnected('b');
      });
      await world.turn();
      assert.equal(b.calls, calls);
      await b.close();
    },
  );

  check('a transport that never started can be closed', async (world) => {
    await world.node('idle').close();
  });

  check('a place that is taken is ERR_CONFIG', async (world) => {
    const a = await world.start('a');
    const second = world.node('a');
    await assert.rejects(second.start(a.address ?? undefined), (error: unknown) => {
      return QuorateError.is(error) && error.code === 'ERR_CONFIG';
    });
    assert.equal(second.send('b', bytes('not started'), 'control'), false);
  });

  check('a peer that restarts is lost and connected again', async (world) => {
    const [a, b] = await world.pair();
    await b.close();
    await world.until('a is told', () => !a.isConnected('b'));
    assert.equal(a.send('b', bytes('nobody is there'), 'control'), false);
    const again = world.node('b');
    await again.start(b.address ?? undefined);
    again.setPeers([a]);
    await world.until('they meet', () => a.isConnected('b') && again.isConnected('a'));
    for (const lane of LANES) {
      await world.until('frames flow to it', () => a.send('b', bytes('welcome'), lane));
      await world.until('frames flow from it', () => again.send('a', bytes('back'), lane));
    }
    await world.until('all arrive', () => again.frames.length === 2 && a.frames.length === 2);
    assert.deepEqual(a.history('b'), ['connected', 'lost', 'connected']);
    assert.ok(!again.texts('control').includes('nobody is there'));
  });

  if (greets) {
    check('a peer taken out the moment it connects stays away, on both sides', async (world) => {
      const a = await world.start('a');
      const b = await world.start('b');
      a.onConnected = () => {
        a.refuses = () => true;
        a.setPeers([]);
      };
      for (const node of [a, b]) node.setPeers([a, b]);
      await world.until('later greetings are refused', () => a.refused > 4);
      assert.deepEqual(a.history('b'), ['connected', 'lost']);
      assert.notEqual(b.history('a').at(-1), 'connected');
    });

    check(
      'a peer whose greeting is refused is not connected, until it is accepted',
      async (world) => {
        const a = await world.start('a');
        const b = await world.start('b');
        const c = await world.start('c');
        a.refuses = (peer) => peer === 'b';
        for (const node of [a, b, c]) node.setPeers([a, b, c]);
        await world.until('the refusal', () => a.refused > 1);
        await world.until('others connect', () => a.isConnected('c') && b.isConnected('c'));
        assert.deepEqual([...a.history('b'), ...b.history('a')], []);
        assert.equal(a.send('b', bytes('refused'), 'control'), false);
        assert.equal(b.send('a', bytes('refused'), 'control'), false);
        a.refuses = () => false;
        await world.until('the change of mind', () => a.isConnected('b') && b.isConnected('a'));
        for (const lane of LANES) assert.equal(b.send('a', bytes('accepted'), lane), true);
        await world.until('frames flow', () => a.frames.length === 2);
      },
    );
  }
}

const logger: Logger = {
  trace: () => {},
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  fatal: () => {},
  child: () => logger,
};

/** The nodes of one test, and what waits for them. */
class World {
  readonly violations: string[] = [];
  readonly #network: SuiteNetwork;
  readonly #nodes: SuiteNode[] = [];

  constructor(network: SuiteNetwork) {
    this.#network = network;
  }

  node(name: NodeId): SuiteNode {
    const node = new SuiteNode(name, this.#network, this.violations);
    this.#nodes.push(node);
    return node;
  }

  async start(name: NodeId): Promise<SuiteNode> {
    const node = this.node(name);
    await node.start();
    return node;
  }

  async mesh(a: NodeId, b: NodeId, c: NodeId): Promise<[SuiteNode, SuiteNode, SuiteNode]> {
    const nodes: [SuiteNode, SuiteNode, SuiteNode] = [
      await this.start(a),
      await this.start(b),
      await this.start(c),
    ];
    await this.#connect(nodes);
    return nodes;
  }

  async pair(): Promise<[SuiteNode, SuiteNode]> {
    const nodes: [SuiteNode, SuiteNode] = [await this.start('a'), await this.start('b')];
    await this.#connect(nodes);
    return nodes;
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const { clock } = this.#network;
    const deadlineMs = clock.now() + 10_000;
    while (!condition()) {
      assert.ok(clock.now() < deadlineMs, `waited 10 s for: ${what}`);
      await new Promise<void>((resolve) => clock.after(1, resolve));
    }
  }

  turn(): Promise<void> {
    return new Promise((resolve) => this.#network.clock.afterPoll(resolve));
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) await node.close();
    await this.#network.close?.();
  }

  async #connect(nodes: readonly SuiteNode[]): Promise<void> {
    for (const node of nodes) node.setPeers(nodes);
    await this.until('every node is connected to every other', () =>
      nodes.every((node) => nodes.every((peer) => node === peer || node.isConnected(peer.name))),
    );
  }
}

interface ReceivedFrame {
  readonly from: NodeId;
  readonly frame: Uint8Array;
  readonly lane: Lane;
}

/** A transport under test and its handler, which holds the rules that are true at every moment. */
class SuiteNode implements TransportHandler {
  readonly name: NodeId;
  readonly frames: ReceivedFrame[] = [];
  address: string | null = null;
  /** Handler calls so far. */
  calls = 0;
  refused = 0;
  refuses: (peer: NodeId) => boolean = () => false;
  onConnected: () => void = () => {};
  readonly #network: SuiteNetwork;
  readonly #transport: NetworkTransport;
  readonly #violations: string[];
  readonly #histories = new Map<NodeId, ('connected' | 'lost')[]>();
  #closed = false;

  constructor(name: NodeId, network: SuiteNetwork, violations: string[]) {
    this.name = name;
    this.#network = network;
    this.#transport = network.transport(name);
    this.#violations = violations;
  }

  async start(listen: string | null = this.#network.listen): Promise<void> {
    const { address } = await this.#transport.start({
      self: this.name,
      listen,
      maxFrameBytes: MAX_FRAME_BYTES,
      maxQueuedBytes: MAX_QUEUED_BYTES,
      clock: this.#network.clock,
      random: this.#network.random,
      logger,
      handler: this,
    });
    this.address = address;
  }

  send(to: NodeId, frame: Uint8Array, lane: Lane): boolean {
    return this.#transport.send(to, frame, lane);
  }

  setPeers(nodes: readonly SuiteNode[]): void {
    this.#transport.setPeers(new Map(nodes.map(({ name, address }) => [name, address ?? name])));
  }

  async close(): Promise<void> {
    await this.#transport.close();
    this.#closed = true;
  }

  isConnected(peer: NodeId): boolean {
    return this.history(peer).at(-1) === 'connected';
  }

  history(peer: NodeId): readonly string[] {
    return this.#histories.get(peer) ?? [];
  }

  texts(lane: Lane): string[] {
    return this.frames.filter((frame) => frame.lane === lane).map(({ frame }) => decodeUtf8(frame));
  }

  greeting(lane: Lane): Uint8Array {
    this.#called('greeting');
    return bytes(`${this.name} ${lane}`);
  }

  judge(greeting: Uint8Array): Verdict {
    this.#called('judge');
    const [peer = '', lane] = decodeUtf8(greeting).split(' ');
    if (this.refuses(peer)) {
      this.refused += 1;
      return { accepted: false, reason: `${peer} is refused` };
    }
    return { accepted: true, peer, lane: lane === 'bulk' ? 'bulk' : 'control' };
  }

  receive(from: NodeId, frame: Uint8Array, lane: Lane): void {
    this.#called('receive');
    this.frames.push({ from, frame, lane });
  }

  peerConnected(peer: NodeId): void {
    this.#called('peerConnected');
    this.#note(peer, 'connected');
    this.onConnected();
  }

  peerLost(peer: NodeId, reason: string): void {
    this.#called('peerLost');
    if (reason === '') this.#violations.push(`${this.name} lost ${peer} without a reason`);
    this.#note(peer, 'lost');
  }

  #called(what: string): void {
    this.calls += 1;
    if (this.#closed) this.#violations.push(`${this.name}: ${what} after close`);
  }

  #note(peer: NodeId, what: 'connected' | 'lost'): void {
    const history = this.#histories.get(peer) ?? [];
    this.#histories.set(peer, history);
    const expected = history.at(-1) === 'connected' ? 'lost' : 'connected';
    if (what !== expected) this.#violations.push(`${this.name}: ${peer} ${what} twice`);
    history.push(what);
  }
}

function bytes(text: string): Uint8Array {
  return encodeUtf8(text);
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}
