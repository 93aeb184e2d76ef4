import { readFileSync } from 'node:fs';
import { lineLogger, QuorateError } from 'quorate';
import type { Logger } from 'quorate/interfaces';
import { describeFlags } from '../cli/help.js';
import { UsageError } from '../cli/usage-error.js';
import { packageVersion } from '../cli/version.js';
import { runConsole } from '../console/console.js';
import { KVNODE_FLAGS } from './flags.js';
import { type RunningNode, startNode, stopNode } from './node.js';
import { type KVNodeSettings, readSettings } from './settings.js';

/** What closing may take before the process ends anyway: a supervisor kills after five seconds. */
const STOP_MS = 4500;

/** Runs a node until it is asked to stop, and resolves with the exit code. */
export async function kvnode(args: readonly string[]): Promise<number> {
  try {
    const readFile = (path: string): string => readFileSync(path, 'utf8');
    const wish = readSettings({ args, environment: process.env, readFile });
    if (wish === 'help') process.stdout.write(help());
    else if (wish === 'version') process.stdout.write(`${packageVersion()}\n`);
    else return await run(wish);
    return 0;
  } catch (error) {
    process.stderr.write(`kvnode: ${firstLine(error)}\n`);
    return isUsage(error) ? 2 : 1;
  }
}

async function run(settings: KVNodeSettings): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // Asked twice, it is urgent.
      if (stopping.signal.aborted) process.exit(1);
      stopping.abort();
    });
  }
  outliveReaders(() => {
    if (settings.console) stopping.abort();
  });
  const node = await startNode(settings, loggerOf(settings));
  const { peerAddress, clientAddress, kv } = node;
  process.stdout.write(`ready id=${settings.id} peers=${peerAddress} clients=${clientAddress}\n`);
  const asked = new Promise<null>((resolve) => {
    if (stopping.signal.aborted) resolve(null);
    stopping.signal.addEventListener('abort', () => resolve(null));
  });
  const failed = kv.closed.then(({ cause }) => cause);
  const over = new AbortController();
  const signal = AbortSignal.any([stopping.signal, over.signal]);
  const cause = await Promise.race([asked, failed, ...consoleOf(node, settings, signal)]);
  over.abort();
  setTimeout(() => process.exit(cause === null ? 0 : 1), STOP_MS).unref();
  await stopNode(node);
  if (cause === null) return 0;
  process.stderr.write(`kvnode: ${settings.id} has stopped: ${firstLine(cause)}\n`);
  return 1;
}

/** A node does not end with whoever reads its lines; only a console that nobody sees is over. */
function outliveReaders(onUnseen: () => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (stream === process.stdout) onUnseen();
    });
  }
}

/** With a console, the node lives as long as it. */
function consoleOf(
  { kv }: RunningNode,
  settings: KVNodeSettings,
  signal: AbortSignal,
): Promise<null>[] {
  if (!settings.console) return [];
  const { stdin: input, stdout: output } = process;
  return [runConsole({ kv, input, output, signal }).then(() => null)];
}

function loggerOf({ verbose, logFormat }: KVNodeSettings): Logger {
  return lineLogger({
    write: (line) => process.stderr.write(line),
    format: logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json'),
    level: verbose ? 'debug' : 'warn',
    wallNow: () => Date.now(),
  });
}

function isUsage(error: unknown): boolean {
  return error instanceof UsageError || (QuorateError.is(error) && error.code === 'ERR_CONFIG');
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0] ?? '';
}

function help(): string {
  return `kvnode: one node of a replicated key-value store.

  kvnode --id n1 --bind 127.0.0.1:7001 \\
    --cluster n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003 --data-dir ./data/n1

${describeFlags(KVNODE_FLAGS.flags)}

Every flag can also stand in the environment (QUORATE_NODE_DATA_DIR) or in --config FILE; flags win.
Once it serves, it prints: ready id=n1 peers=127.0.0.1:7001 clients=127.0.0.1:8001
SIGTERM or SIGINT ends it within 5 s, exit 0; 1: it failed; 2: a flag is wrong.
`;
}
