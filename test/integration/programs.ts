import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePeer } from '../../examples/kvnode/ports.js';
import { entrust } from './caretaker.js';

export const KVNODE = programPath('kvnode/main.js');
export const KVCTL = programPath('kvctl/main.js');
export const QUORATE = programPath('quorate.js');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Another program that runs node with these arguments. */
  readonly wrapper?: readonly string[];
}

/** A program that runs, and what it has said so far. It does not outlive this process. */
export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(file: string, args: readonly string[], options: RunOptions = {}) {
    const [command, ...before] = [...PLAIN, ...(options.wrapper ?? []), process.execPath];
    this.child = spawn(command!, [...before, file, ...args], {
      stdio: 'pipe',
      cwd: options.cwd,
      env: { ...cleanEnvironment(), ...options.env },
    });
    if (this.child.pid !== undefined) {
      this.child.once('exit', entrust({ kind: 'process', processId: this.child.pid }));
    }
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
    if (options.input !== undefined) this.child.stdin!.end(options.input);
  }

  /** Resolves with the first line on stdout that matches. */
  line(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const lines = createInterface({ input: this.child.stdout! });
      lines.on('line', (line) => {
        if (pattern.test(line)) resolve(line);
      });
      void this.ended.then(({ stderr }) => reject(new Error(`ended before ${pattern}: ${stderr}`)));
    });
  }

  async end(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return await this.ended;
  }
}

/** Runs a program to its end. */
export function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  return new Program(file, args, { input: '', ...options }).ended;
}

/** Members of a cluster of `kvnode` processes, on ports that were free a moment ago. */
export class Members {
  readonly ids: readonly string[];
  readonly ports: readonly number[];
  readonly folder: string;
  readonly running = new Map<string, Program>();

  private constructor(ports: readonly number[], folder: string) {
    this.ids = ports.map((_, i) => `n${i + 1}`);
    this.ports = ports;
    this.folder = folder;
  }

  static async create(count: number, folder: string): Promise<Members> {
    return new Members(await freePorts(count), folder);
  }

  get cluster(): string {
    return this.ids.map((id) => `${id}=${this.peer(id)}`).join(',');
  }

  peer(id: string): string {
    return `127.0.0.1:${this.ports[this.ids.indexOf(id)]!}`;
  }

  client(id: string): string {
    return `127.0.0.1:${this.ports[this.ids.indexOf(id)]! + 1000}`;
  }

  directory(id: string): string {
    return `${this.folder}/${id}`;
  }

  /** The command line of a member: the same at every start. */
  args(id: string): readonly string[] {
    const where = ['--bind', this.peer(id), '--cluster', this.cluster];
    return ['--id', id, ...where, '--data-dir', this.directory(id)];
  }

  async start(id: string): Promise<void> {
    const node = new Program(KVNODE, this.args(id));
    this.running.set(id, node);
    await node.line(/^ready /);
  }

  async startAll(): Promise<void> {
    await Promise.all(this.ids.map((id) => this.start(id)));
  }

  async end(id: string, signal: NodeJS.Signals): Promise<Ended> {
    const ended = await this.running.get(id)!.end(signal);
    this.running.delete(id);
    return ended;
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.running.keys()].map((id) => this.end(id, 'SIGKILL')));
  }

  /** `kvctl`, told of every member. */
  ctl(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return run(KVCTL, ['--cluster', this.cluster, ...args], options);
  }

  async leader(): Promise<string> {
    const { stdout } = await this.ctl(['leader', '--json']);
    return JSON.parse(stdout).id;
  }
}

/** Peer ports with the client ports that go with them, none of which is another's. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const { port } = await freePeer('127.0.0.1');
    if (ports.every((other) => ![0, 1000].includes(Math.abs(other - port)))) ports.push(port);
  }
  return ports;
}

export function programPath(path: string): string {
  return fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
}

/**
 * The test runner loads itself into every process of Node that is started, where it listens to signals
 * and costs more time than the program: users have none of that.
 */
const PLAIN = process.platform === 'win32' ? [] : ['env', '-u', 'NODE_OPTIONS'];

/** This process's environment without what would configure the programs. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('QUORATE_'));
  return Object.fromEntries(entries);
}
