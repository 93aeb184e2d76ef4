import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Limits } from 'quorate';
import type { Answers, Look, MemberSettings, NumberedAnswer, Order } from './orders.js';

const MEMBER = fileURLToPath(new URL('member.js', import.meta.url));

export interface ClusterOptions {
  /** Members that found the cluster. */
  readonly size: number;
  /** Members that may be added to it later. Default 0. */
  readonly spares?: number;
  readonly limits?: Partial<Limits>;
  /** Where a member keeps its data. Default: in a directory that goes with the cluster. */
  readonly folderOf?: (id: string) => string;
}

/** Members on TCP, each a process of its own on this machine. */
export class Cluster implements AsyncDisposable {
  readonly ids: readonly string[];
  readonly #options: ClusterOptions;
  readonly #addresses: ReadonlyMap<string, { readonly peer: string; readonly client: string }>;
  readonly #folder: string;
  readonly #running = new Map<string, MemberProcess>();

  /** For a program that is ended in the middle of it. */
  readonly #onExit = (): void => {
    this.killAll();
    rmSync(this.#folder, { recursive: true, force: true });
  };

  private constructor(options: ClusterOptions, ports: readonly number[], folder: string) {
    this.#options = options;
    this.#folder = folder;
    process.on('exit', this.#onExit);
    this.ids = ports.slice(ports.length / 2).map((_, i) => `n${i + 1}`);
    const address = (place: number): string => `127.0.0.1:${ports[place] ?? 0}`;
    const entries = this.ids.map((id, i) => {
      return [id, { peer: address(2 * i), client: address(2 * i + 1) }] as const;
    });
    this.#addresses = new Map(entries);
  }

  static async create(options: ClusterOptions): Promise<Cluster> {
    const ports = await freePorts(2 * (options.size + (options.spares ?? 0)));
    return new Cluster(options, ports, await mkdtemp(join(tmpdir(), 'quorate-bench-')));
  }

  /** With all founders started, and a leader that they follow. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = await Cluster.create(options);
    try {
      await Promise.all(cluster.founders.map((id) => cluster.launch(id)));
      await cluster.leader();
      return cluster;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  get founders(): readonly string[] {
    return this.ids.slice(0, this.#options.size);
  }

  get running(): readonly string[] {
    return [...this.#running.keys()];
  }

  peerAddress(id: string): string {
    return this.#addresses.get(id)?.peer ?? '';
  }

  clientAddress(id: string): string {
    return this.#addresses.get(id)?.client ?? '';
  }

  /** Client addresses of all that run. */
  get endpoints(): readonly string[] {
    return this.running.map((id) => this.clientAddress(id));
  }

  /** Starts a member, for the first time or again; resolves when it serves. */
  async launch(id: string): Promise<void> {
    const known = this.founders.includes(id) ? this.founders : [...this.founders, id];
    const settings: MemberSettings = {
      id,
      members: Object.fromEntries(known.map((one) => [one, this.peerAddress(one)])),
      clientAddress: this.clientAddress(id),
      folder: this.#options.folderOf?.(id) ?? join(this.#folder, id),
      ...(this.#options.limits === undefined ? {} : { limits: this.#options.limits }),
    };
    const member = new MemberProcess(settings);
    this.#running.set(id, member);
    await member.serves;
  }

  processIds(ids: readonly string[]): readonly number[] {
    return ids.map((id) => this.#process(id).child.pid ?? 0);
  }

  ask<K extends Order['kind']>(
    id: string,
    order: Extract<Order, { kind: K }>,
  ): Promise<Answers[K]> {
    return this.#process(id).ask(order);
  }

  look(id: string, { collect = false } = {}): Promise<Look> {
    return this.ask(id, { kind: 'look', collect });
  }

  /** The member that leads, as most of `among` say: members that answer. Waits until there is one. */
  async leader(among: readonly string[] = this.running): Promise<string> {
    for (;;) {
      const looks = await Promise.all(among.map((id) => this.look(id)));
      const leaders = looks.map(({ status }) => status.leader?.id ?? null);
      const leads = looks.find(({ status: { role, id } }) => {
        return role === 'leader' && leaders.filter((one) => one === id).length > among.length / 2;
      });
      if (leads !== undefined) return leads.status.id;
      await pass(5);
    }
  }

  /** Resolves when the member has applied all that `leader` had committed at the time of the call. */
  async caughtUp(id: string, leader: string): Promise<void> {
    const { commitIndex } = (await this.look(leader)).status;
    while ((await this.look(id)).status.appliedIndex < commitIndex) await pass(5);
  }

  /** No goodbye: the system closes its connections. */
  async kill(id: string): Promise<void> {
    await this.#process(id).kill();
    this.#running.delete(id);
  }

  /**
   * The signal alone, at once. After SIGSTOP a member stays as it is, its connections too, and says nothing.
   * To be followed by `kill`.
   */
  strike(id: string, signal: 'SIGKILL' | 'SIGSTOP'): void {
    this.#process(id).child.kill(signal);
  }

  /** Ends a member as a user would: what waits is answered first. */
  async end(id: string): Promise<void> {
    const { child } = this.#process(id);
    const gone = once(child, 'exit');
    await this.ask(id, { kind: 'close' });
    await gone;
    this.#running.delete(id);
  }

  /** For when there is no time left to wait. */
  killAll(): void {
    for (const { child } of this.#running.values()) child.kill('SIGKILL');
  }

  /** Kills what runs and removes all data. May be called twice. */
  async dispose(): Promise<void> {
    await Promise.all(this.running.map((id) => this.kill(id)));
    await rm(this.#folder, { recursive: true, force: true });
    process.off('exit', this.#onExit);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #process(id: string): MemberProcess {
    const member = this.#running.get(id);
    if (member === undefined) throw new Error(`${id} does not run`);
    return member;
  }
}

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** One member's process, and the orders it has not answered yet. */
class MemberProcess {
  readonly child: ChildProcess;
  readonly serves: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  constructor(settings: MemberSettings) {
    // Whatever runs this process must not load itself into the members too.
    const { NODE_OPTIONS: _, ...env } = process.env;
    const execArgv = ['--expose-gc'];
    this.child = fork(MEMBER, [JSON.stringify(settings)], { env, execArgv });
    this.child.on('message', (answer: NumberedAnswer<never>) => this.#settle(answer));
    this.child.once('error', (error) => this.#failAll(error));
    this.child.once('exit', () => this.#failAll(new Error(`${settings.id} has ended`)));
    this.serves = this.#answer<void>();
  }

  ask<T>(order: Order): Promise<T> {
    const number = this.#next;
    const answer = this.#answer<T>();
    if (this.child.connected) this.child.send({ number, order });
    return answer;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  #answer<T>(): Promise<T> {
    const number = this.#next;
    this.#next += 1;
    const answer = new Promise<T>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
    });
    // Whoever asks for it waits for it; a member that was killed leaves others behind.
    answer.catch(() => {});
    return answer;
  }

  #settle({ number, answer, failure }: NumberedAnswer<never>): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (failure === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(failure));
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
