import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NOTES = `
A hold is a time in which a timer that was due did not run, garbage collection taken out. "Own" is the
longest one in processor time: what other processes took meanwhile is left out. Figures are those of
this machine and this hour: ratios within one run say more.
`;

/** One node with a million keys on this disk: filled, written to beside a snapshot, started again. */
export async function millionKeys(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-bench-'));
  try {
    await run('fill', folder);
    await run('restart', folder);
    process.stdout.write(NOTES);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Each part in a process of its own: a start does not begin beside the garbage of a life. */
async function run(part: string, folder: string): Promise<void> {
  const program = fileURLToPath(new URL('million-keys-node.js', import.meta.url));
  const [code] = await once(fork(program, [part, folder], { execArgv: process.execArgv }), 'exit');
  if (code !== 0) throw new Error(`the part "${part}" ended with ${code}`);
}
