import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../lib/client/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { entrust } from '../integration/caretaker.js';
import { ChaosNode } from './chaos-node.js';
import { Disks } from './disks.js';
import { PeerNetwork } from './peer-network.js';

export interface ChaosClusterOptions {
  readonly size: number;
  /** In memory: for a control. */
  readonly isInMemory?: boolean;
  readonly flags?: readonly string[];
  /** Which disks are to be made. */
  readonly faults?: ReadonlySet<string>;
}

/** `kvnode` processes behind proxies. Nothing of it outlives this process. */
export class ChaosCluster {
  readonly network = new PeerNetwork();
  /** In which everything is. */
  readonly folder: string;
  readonly disks: Disks;
  /** What no fault accounts for. */
  readonly troubles: string[] = [];
  readonly #options: ChaosClusterOptions;
  readonly #nodes = new Map<string, ChaosNode>();
  readonly #release: () => void;
  #isClosing = false;

  private constructor(options: ChaosClusterOptions) {
    this.#options = options;
    this.folder = mkdtempSync(join(tmpdir(), 'quorate-chaos-'));
    this.#release = entrust({ kind: 'folder', path: this.folder });
    this.disks = new Disks(this.folder, options.faults ?? new Set());
  }

  /** Its nodes are made, and not started yet: their directories are there. */
  static async create(options: ChaosClusterOptions): Promise<ChaosCluster> {
    const cluster = new ChaosCluster(options);
    try {
      for (let i = 1; i <= options.size; i += 1) await cluster.addNode();
      return cluster;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  get nodes(): readonly ChaosNode[] {
    return [...this.#nodes.values()];
  }

  get running(): readonly ChaosNode[] {
    return this.nodes.filter(({ isRunning }) => isRunning);
  }

  get founders(): readonly ChaosNode[] {
    return this.nodes.slice(0, this.#options.size);
  }

  node(id: string): ChaosNode | undefined {
    return this.#nodes.get(id);
  }

  /** A node that nobody knows of, with a name that nobody had. */
  async addNode(): Promise<ChaosNode> {
    const id = `n${this.#nodes.size + 1}`;
    const [proxy = 0, peerPort = 0, clientPort = 0] = await fixedPorts(3);
    await this.network.add(id, { proxy, node: peerPort });
    mkdirSync(join(this.folder, 'logs'), { recursive: true });
    const node = new ChaosNode({
      id,
      peerPort,
      clientPort,
      advertised: `127.0.0.1:${proxy}`,
      directory: this.#options.isInMemory === true ? null : this.disks.directoryFor(id),
      logFile: join(this.folder, 'logs', `${id}.log`),
      flags: this.#options.flags ?? [],
      onUnexpected: (what) => {
        if (!this.#isClosing) this.troubles.push(what);
      },
    });
    this.#nodes.set(id, node);
    return node;
  }

  /** Told of the founders, and of itself. Later starts go by the log. */
  start(node: ChaosNode): Promise<void> {
    const known = this.founders.includes(node) ? this.founders : [...this.founders, node];
    return node.start(known.map(({ id, peerAddress }) => `${id}=${peerAddress}`).join(','));
  }

  async startAll(): Promise<void> {
    await Promise.all(this.founders.map((node) => this.start(node)));
  }

  /** A client that knows every node that runs. */
  connect(callTimeoutMs = 10_000): Promise<KVStore> {
    return connect({
      endpoints: this.running.map(({ clientAddress }) => clientAddress),
      callTimeoutMs,
    });
  }

  /** Kills what runs and removes all data; what the processes said is copied to `logsTo` before. */
  async dispose(logsTo: string | null = null): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.running.map((node) => node.kill()));
    await this.network.close();
    this.disks.destroy();
    if (logsTo !== null) cpSync(join(this.folder, 'logs'), logsTo, { recursive: true });
    rmSync(this.folder, { recursive: true, force: true });
    this.#release();
  }
}

/** Below those from which systems take the near ends of connections, so that a node finds its own again. */
const PORTS_FROM = 12_000;
const PORTS_TO = 30_000;
const given = new Set<number>();

async function fixedPorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = PORTS_FROM + Math.floor(Math.random() * (PORTS_TO - PORTS_FROM));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
