import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as pass } from 'node:timers/promises';
import { type Ended, KVNODE, Program } from '../integration/programs.js';
import { empty } from './disks.js';

export interface ChaosNodeOptions {
  readonly id: string;
  /** Where it listens for its peers. */
  readonly peerPort: number;
  readonly clientPort: number;
  /** What its peers are told: the proxy's. */
  readonly advertised: string;
  /** Null: in memory. */
  readonly directory: string | null;
  /** What its process writes to stderr goes here. */
  readonly logFile: string;
  /** Beside those that every node has. */
  readonly flags: readonly string[];
  /** For an end that nobody asked for. */
  readonly onUnexpected: (what: string) => void;
}

/** A start came to nothing: the process said why, and ended. */
export class StartRefused extends Error {}

const START_MS = 20_000;
const STOP_MS = 500;
const STOPPED = /^State:\s+T/m;

/** One `kvnode` process at a time, on one directory. */
export class ChaosNode {
  readonly #options: ChaosNodeOptions;
  #program: Program | null = null;
  #isExpected = false;
  #isPaused = false;
  #turn: Promise<unknown> = Promise.resolve();
  /** Whether it was taken out of the cluster for good. */
  isRetired = false;

  constructor(options: ChaosNodeOptions) {
    this.#options = options;
    if (options.directory !== null) mkdirSync(options.directory, { recursive: true });
  }

  get id(): string {
    return this.#options.id;
  }

  get peerAddress(): string {
    return this.#options.advertised;
  }

  get clientAddress(): string {
    return `127.0.0.1:${this.#options.clientPort}`;
  }

  get isRunning(): boolean {
    return this.#program !== null;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** What its process has written to stderr so far. */
  get said(): string {
    return this.#program?.stderr ?? '';
  }

  /** One fault at a time has hold of the process. */
  exclusively<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Resolves when it serves; StartRefused where it ends before. Told of `members` as id=address. */
  async start(members: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#startOnce(members);
        return;
      } catch (error) {
        // The port may be the near end of somebody's connection for a moment.
        if (attempt === 5 || !String(error).includes('in use')) throw error;
        await pass(200);
      }
    }
  }

  /** `kill -9`. */
  async kill(): Promise<boolean> {
    const program = this.#program;
    if (program === null) return false;
    this.#isExpected = true;
    const { signal } = await program.end('SIGKILL');
    return signal === 'SIGKILL';
  }

  /** Ends it as a user would, and answers with its exit code. */
  async end(): Promise<number | null> {
    const program = this.#program;
    if (program === null) return null;
    this.#isExpected = true;
    return (await program.end('SIGTERM')).code;
  }

  /** Answers whether it stands still. */
  async pause(): Promise<boolean> {
    const pid = this.#program?.child.pid;
    if (pid === undefined) return false;
    this.#program?.child.kill('SIGSTOP');
    this.#isPaused = true;
    if (process.platform !== 'linux') return true;
    // One that waits for its disk stops when the disk has answered.
    const untilMs = performance.now() + STOP_MS;
    while (performance.now() < untilMs) {
      if (STOPPED.test(readFileSync(`/proc/${pid}/status`, 'latin1'))) return true;
      await pass(5);
    }
    return false;
  }

  resume(): void {
    this.#program?.child.kill('SIGCONT');
    this.#isPaused = false;
  }

  /** It is about to end by itself: that is what was asked for. Null where it has not within `timeoutMs`. */
  async endsItself(timeoutMs: number): Promise<Ended | null> {
    const program = this.#program;
    if (program === null) return null;
    this.#isExpected = true;
    const ended = await Promise.race([program.ended, pass(timeoutMs, null, { ref: false })]);
    if (ended === null) this.#isExpected = false;
    return ended;
  }

  /** Removes what it has stored. Its directory stays: it may be a mount. */
  wipe(): void {
    const { directory } = this.#options;
    if (directory !== null) empty(directory);
  }

  async #startOnce(members: string): Promise<void> {
    const { id, peerPort, clientPort, advertised, directory, flags, logFile } = this.#options;
    const program = new Program(KVNODE, [
      ...['--id', id, '--bind', `127.0.0.1:${peerPort}`, '--advertise', advertised],
      ...['--client-port', String(clientPort), '--cluster', members],
      ...(directory === null ? [] : ['--data-dir', directory]),
      ...flags,
    ]);
    program.child.stderr?.on('data', (text: string) => appendFileSync(logFile, text));
    this.#program = program;
    this.#isExpected = false;
    this.#isPaused = false;
    let serves = false;
    void program.ended.then((ended) => {
      if (this.#program === program) this.#program = null;
      this.#isPaused = false;
      this.#note(ended, serves && !this.#isExpected);
    });
    const isReady = program.line(/^ready /).catch((error: unknown) => {
      throw new StartRefused(`${id} was not started`, { cause: error });
    });
    const late = pass(START_MS, null, { ref: false });
    if ((await Promise.race([isReady, late])) === null) {
      isReady.catch(() => {});
      await this.kill();
      throw new StartRefused(`${id} did not serve within ${START_MS} ms`);
    }
    serves = true;
  }

  #note({ code, signal, stderr }: Ended, isUnexpected: boolean): void {
    const { id, logFile, onUnexpected } = this.#options;
    appendFileSync(logFile, `--- ended: code ${code}, signal ${signal}\n`);
    if (!isUnexpected) return;
    const lastLines = stderr.trimEnd().split('\n').slice(-3).join('\n');
    onUnexpected(`${id} ended by itself: code ${code}, signal ${signal}\n${lastLines}`);
  }
}
