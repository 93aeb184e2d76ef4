import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { drawFeatures, type Features, simulate } from '../../lib/testing/index.js';

const RUNNER = fileURLToPath(new URL('./run.js', import.meta.url));

t.test('seeds end in the same trace in two processes, and every one in another', async (t) => {
  const args = [RUNNER, '--seeds', '4', '--from', '10', '--max-seconds', '10', '--hashes'];
  const run = async (): Promise<readonly string[]> => {
    const { stdout } = await promisify(execFile)(process.execPath, args);
    t.match(stdout, /^4 seeds, .* 0 violations$/m);
    return [...stdout.matchAll(/^seed \d+ [0-9a-f]{16}$/gm)].map(([line]) => line).sort();
  };
  const one = await run();
  t.equal(new Set(one).size, 4);
  t.same(await run(), one);
});

t.test('a trace that is read ends in the same hash', async (t) => {
  const features = { ...drawFeatures(3), durationMs: 10_000 };
  const lines: string[] = [];
  const read = await simulate({ seed: 3, features, print: (line) => lines.push(line) });
  t.equal(read.traceHash, (await simulate({ seed: 3, features })).traceHash);
  t.ok(lines.length > 1000);
});

t.test('without faults every call is acknowledged', async (t) => {
  const result = await simulate({ seed: 1, features: calm(drawFeatures(1)) });
  t.equal(result.violation, null);
  t.ok(result.calls.acknowledged > 100, `${result.calls.acknowledged} calls`);
  t.match(result, { calls: { rejected: 0, unknown: 0 }, faults: {} });
});

t.test('seeds that found something pass', async (t) => {
  for (const seed of foundSeeds()) {
    const { violation } = await simulate({ seed });
    t.equal(violation, null, `seed ${seed}`);
  }
});

function calm(features: Features): Features {
  return {
    ...features,
    durationMs: 20_000,
    nodes: 3,
    operationsPerSecond: 20,
    limits: {},
    network: { ...features.network, loss: 0, duplicate: 0, reorder: 0, held: 0 },
    faults: {},
    points: {},
  };
}

function foundSeeds(): readonly string[] {
  const path = new URL('../../../test/simulation/found-seeds.txt', import.meta.url);
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => /^\d/.test(line)).map((line) => line.split(' ')[0] ?? '');
}
