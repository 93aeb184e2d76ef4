import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { KVStore } from 'quorate';
import { completeLine, runCommand } from './commands.js';

export interface ConsoleOptions {
  readonly kv: KVStore<Uint8Array>;
  /** Closed with the console: an open one would keep the process. */
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable & { readonly isTTY?: boolean };
  /** Ends the console, and whatever it is waiting for. */
  readonly signal: AbortSignal;
}

const PROMPT = 'kv> ';

/**
 * Reads commands line by line until `quit` or the end of the input, one at a time. On a terminal
 * with a prompt, history and completion; otherwise plain lines.
 */
export async function runConsole({ kv, input, output, signal }: ConsoleOptions): Promise<void> {
  const terminal = input.isTTY === true && output.isTTY === true;
  const lines = createInterface({
    input,
    output,
    terminal,
    prompt: terminal ? PROMPT : '',
    completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
      void completeLine(kv, line).then((found) => done(null, found));
    },
  });
  const print = (text: string): void => void output.write(`${text}\n`);
  const onEnd = (): void => lines.close();
  signal.addEventListener('abort', onEnd);
  if (signal.aborted) onEnd();
  try {
    await readLines(lines, async (line, interrupted) => {
      const either = AbortSignal.any([signal, interrupted]);
      return await runCommand({ kv, line, print, signal: either });
    });
  } finally {
    signal.removeEventListener('abort', onEnd);
    lines.close();
    input.destroy();
  }
}

/** Calls `run` for one line after the other until it answers `'quit'` or there are no more. */
async function readLines(
  lines: Interface,
  run: (line: string, interrupted: AbortSignal) => Promise<'quit' | 'next'>,
): Promise<void> {
  let running: AbortController | null = null;
  // Ctrl-C gives up the command under way; with none, it ends the console.
  lines.on('SIGINT', () => {
    if (running === null) lines.close();
    else running.abort(new Error('interrupted'));
  });
  lines.prompt();
  for await (const line of lines) {
    running = new AbortController();
    const next = await run(line, running.signal);
    running = null;
    if (next === 'quit') return;
    lines.prompt();
  }
}
