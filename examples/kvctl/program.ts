import { bytes, type KVStore } from 'quorate';
import { connect } from 'quorate/client';
import { packageVersion } from '../cli/version.js';
import { runConsole } from '../console/console.js';
import type { Output, Session } from './command.js';
import { help } from './commands.js';
import { complaint, exitCodeOf } from './failures.js';
import { type ClusterRequest, type CtlRequest, readRequest } from './request.js';

const INTERRUPTED = 130;

/** Carries out one command, or runs the console, and resolves with the exit code. */
export async function kvctl(args: readonly string[]): Promise<number> {
  process.on('SIGINT', () => process.exit(INTERRUPTED));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads has had enough, as `head` does.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    const request = readRequest(args, process.env);
    if (request === 'help') process.stdout.write(help());
    else if (request === 'version') process.stdout.write(`${packageVersion()}\n`);
    else return await run(request);
    return 0;
  } catch (error) {
    process.stderr.write(`${complaint(error, args.includes('--json'))}\n`);
    return exitCodeOf(error);
  }
}

async function run(request: CtlRequest): Promise<number> {
  return 'offline' in request
    ? await request.offline(outputOf(request.isJson))
    : await ask(request);
}

async function ask({ action, endpoints, timeoutMs, isJson }: ClusterRequest): Promise<number> {
  const endMs = performance.now() + timeoutMs;
  const kv = await connect({ endpoints, callTimeoutMs: timeoutMs, values: bytes });
  try {
    if (action === null) return await converse(kv);
    // What connecting took is gone.
    const remaining: Session['remaining'] = () => {
      return { timeoutMs: Math.max(1, endMs - performance.now()) };
    };
    return await action({ kv, out: outputOf(isJson), readInput, remaining });
  } finally {
    await kv.close();
  }
}

async function converse(kv: KVStore<Uint8Array>): Promise<number> {
  const { stdin: input, stdout: output } = process;
  await runConsole({ kv, input, output, signal: new AbortController().signal });
  return 0;
}

function outputOf(isJson: boolean): Output {
  return {
    isJson,
    line: (words, record) => {
      process.stdout.write(`${isJson ? JSON.stringify(record) : words}\n`);
    },
    raw: (value) => void process.stdout.write(value),
    note: (words) => void process.stderr.write(`${words}\n`),
  };
}

async function readInput(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
