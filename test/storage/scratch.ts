import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Makes fresh folders, in memory where there is such a file system: these tests write and sync
 * thousands of directories. `remove` takes all of them away.
 */
export function scratch(): { readonly fresh: () => string; readonly remove: () => void } {
  const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'quorate-'));
  return {
    fresh: () => mkdtempSync(join(root, 'd')),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
