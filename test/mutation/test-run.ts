import type { ChildOptions } from './child-process.js';
import type { Workshop } from './workshop.js';

/** How a test file of the copy is run: it ends with the first test that fails. */
export function testRun({ folder }: Workshop, test: string, limitMs: number): ChildOptions {
  const env = { TAP_BAIL: '1', TAP_TIMEOUT: String(Math.ceil(limitMs / 1000)) };
  return { folder, args: [`dist/test/${test}.test.js`], limitMs, env };
}
