import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Program } from './programs.js';
import { until } from './tcp-nodes.js';

const ABANDONED = fileURLToPath(new URL('fixtures/abandoned.js', import.meta.url));

t.test(
  'what a test has started ends with it, though it is killed: also what stands still',
  async (t) => {
    const folder = join(t.testdir(), 'left');
    const parent = new Program(ABANDONED, [folder]);
    const [, ...processIds] = (await parent.line(/^ready /)).split(' ').map(Number);
    t.equal(processIds.length, 2);
    t.ok(processIds.every(isAlive));
    t.ok(existsSync(folder));
    await parent.end('SIGKILL');
    await until('nothing is left', () => !processIds.some(isAlive) && !existsSync(folder));
  },
);

/** One that has ended, and that whoever inherited it has not waited for yet, is still in the table. */
function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return !isZombie(processId);
  } catch {
    return false;
  }
}

function isZombie(processId: number): boolean {
  if (process.platform !== 'linux') return false;
  return /^State:\s+Z/m.test(readFileSync(`/proc/${processId}/status`, 'latin1'));
}
