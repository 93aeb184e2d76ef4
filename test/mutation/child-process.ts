import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

export interface ChildOptions {
  readonly folder: string;
  readonly args: readonly string[];
  readonly limitMs: number;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Is given each whole line as it is printed. True: enough was heard, and the process is ended. */
  readonly onLine?: ((line: string) => boolean) | undefined;
}

export interface ChildEnd {
  /** Null where it was ended. */
  readonly exitCode: number | null;
  /** It took too long. */
  readonly isLate: boolean;
  readonly output: string;
  readonly tookMs: number;
}

/** Of what is printed, so much is kept. */
const MAX_OUTPUT = 4_000_000;

/** What ends each of those that run. */
const running = new Set<() => void>();

/** Ends every program that runs: for a process that is told to end itself. */
export function endChildren(): void {
  for (const end of running) end();
}

/** Runs a program of the copy, with all that it starts in a group of its own, and leaves nothing behind. */
export async function runChild(options: ChildOptions): Promise<ChildEnd> {
  const { folder, args, limitMs, env = {}, onLine = () => false } = options;
  const startedMs = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: folder,
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nobody of it is left.
    }
  };
  running.add(end);
  let output = '';
  let line = '';
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, limitMs);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < MAX_OUTPUT) output += text;
    const lines = (line + text).split('\n');
    line = lines.pop() ?? '';
    if (lines.some(onLine)) end();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < MAX_OUTPUT) output += text;
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  clearTimeout(timer);
  end();
  running.delete(end);
  return { exitCode, isLate, output, tookMs: performance.now() - startedMs };
}

/** The same, and whether `offset` of the script at `url` ran in it. Null where nothing was left to tell. */
export async function runCovered(
  options: ChildOptions,
  { url, offset }: { readonly url: string; readonly offset: number },
): Promise<ChildEnd & { readonly hasRun: boolean | null }> {
  const folder = await mkdtemp(join(options.folder, 'coverage', 'run-'));
  try {
    const ended = await runChild({ ...options, env: { ...options.env, NODE_V8_COVERAGE: folder } });
    return { ...ended, hasRun: await hasRunAt(folder, url, offset) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly ranges: readonly {
        readonly startOffset: number;
        readonly endOffset: number;
        readonly count: number;
      }[];
    }[];
  }[];
}

async function hasRunAt(folder: string, url: string, offset: number): Promise<boolean | null> {
  let hasRun: boolean | null = null;
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'utf8');
    if (!text.includes(url)) continue;
    const { result }: Coverage = JSON.parse(text);
    for (const script of result) {
      if (script.url !== url) continue;
      hasRun ||= (countAt(script.functions, offset) ?? 0) > 0;
    }
  }
  return hasRun;
}

/** How often the innermost block around `offset` ran. */
function countAt(
  functions: Coverage['result'][number]['functions'],
  offset: number,
): number | null {
  let innermost: { readonly length: number; readonly count: number } | null = null;
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      const length = endOffset - startOffset;
      const isAround = startOffset <= offset && offset < endOffset;
      if (isAround && length <= (innermost?.length ?? length)) innermost = { length, count };
    }
  }
  return innermost?.count ?? null;
}
