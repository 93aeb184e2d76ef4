import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'tap';
import { simulate } from '../../lib/testing/index.js';

const RUNNER = fileURLToPath(new URL('./run.js', import.meta.url));

test('20 seeds of puts under loss and losses of the leader end in the same trace in two processes', async (t) => {
  const args = [RUNNER, '--seeds', '20', '--puts', '60', '--troubles', '3'];
  const run = promisify(execFile);
  const [one, another] = await Promise.all([
    run(process.execPath, args),
    run(process.execPath, args),
  ]);
  t.equal(one.stdout, another.stdout);
  t.match(one.stdout, /20 seeds passed, 0 failed/);
  const hashes = [...one.stdout.matchAll(/^seed \d+ ([0-9a-f]{16}) /gm)].map(([, hash]) => hash);
  t.equal(new Set(hashes).size, 20, 'and every seed in another one');
});

test('1,000 puts under loss survive four losses of the leader, and every one of them comes to an end', async (t) => {
  const { acknowledged, unknown, elections, framesLost } = await simulate({ seed: 'thousand' });
  t.equal(acknowledged + unknown, 1000);
  t.ok(unknown < 100, `${unknown} are unknown`);
  t.ok(elections >= 4, `${elections} elections`);
  t.ok(framesLost > 100, `${framesLost} frames were lost`);
});

test('a simulation without faults ends with every put acknowledged', async (t) => {
  const result = await simulate({ seed: 1, puts: 50, troubles: 0, loss: 0 });
  t.match(result, { acknowledged: 50, unknown: 0, framesLost: 0, elections: 0 });
});
