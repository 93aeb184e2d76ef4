import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLIENT_PORT_OFFSET } from '../cli/addresses.js';
import { freePeer } from '../kvnode/ports.js';

/** One member: what its process is started with. */
export interface DemoMember {
  readonly id: string;
  readonly peerAddress: string;
  readonly clientAddress: string;
}

const HOST = '127.0.0.1';
const IDS = ['n1', 'n2', 'n3'];
const KVNODE = fileURLToPath(new URL('../kvnode/main.js', import.meta.url));

/** Three `kvnode` processes on this machine, with their data in a directory that goes with them. */
export class DemoCluster {
  readonly members: readonly DemoMember[];
  readonly folder: string;
  readonly #processes = new Map<string, ChildProcess>();

  private constructor(members: readonly DemoMember[], folder: string) {
    this.members = members;
    this.folder = folder;
  }

  static async create(): Promise<DemoCluster> {
    const ports = new Set<number>();
    while (ports.size < IDS.length) {
      const { port } = await freePeer(HOST);
      // No member may be where another one serves its clients.
      if (!ports.has(port - CLIENT_PORT_OFFSET) && !ports.has(port + CLIENT_PORT_OFFSET)) {
        ports.add(port);
      }
    }
    const members = [...ports].map((port, i) => ({
      id: IDS[i] ?? '',
      peerAddress: `${HOST}:${port}`,
      clientAddress: `${HOST}:${port + CLIENT_PORT_OFFSET}`,
    }));
    return new DemoCluster(members, await mkdtemp(join(tmpdir(), 'quorate-demo-')));
  }

  get endpoints(): readonly string[] {
    return this.members.map(({ clientAddress }) => clientAddress);
  }

  member(id: string): DemoMember {
    const found = this.members.find((member) => member.id === id);
    if (found === undefined) throw new Error(`no member is called ${id}`);
    return found;
  }

  /** The command line of one member: the same at every start. */
  argumentsOf({ id, peerAddress }: DemoMember): readonly string[] {
    const cluster = this.members.map((member) => `${member.id}=${member.peerAddress}`).join(',');
    const dataDir = join(this.folder, id);
    return ['--id', id, '--bind', peerAddress, '--cluster', cluster, '--data-dir', dataDir];
  }

  /** Resolves when the node says that it serves. */
  async start(id: string): Promise<void> {
    const child = spawn(process.execPath, [KVNODE, ...this.argumentsOf(this.member(id))], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#processes.set(id, child);
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = `${complaint}${chunk}`.slice(-2000);
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`${id} did not start: ${complaint}`)));
    });
  }

  /** No goodbye: what is not on its disk is gone. */
  async kill(id: string): Promise<void> {
    await this.#end(id, 'SIGKILL');
  }

  /** Stops every node and removes all data. May be called twice. */
  async dispose(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((id) => this.#end(id, signal)));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** For when there is no time left to wait. */
  killAll(): void {
    for (const child of this.#processes.values()) child.kill('SIGKILL');
  }

  async #end(id: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#processes.get(id);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}
