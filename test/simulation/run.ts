/**
 * Runs simulations: `npm run simulate -- [--seed S] [--seeds N] [--puts N] [--troubles N] [--loss SHARE]`.
 * One line a seed; the same hash for the same seed on every machine. The exit code is 1 when one fails.
 */
import { parseArgs } from 'node:util';
import { simulate } from '../../lib/testing/index.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '20' },
    puts: { type: 'string', default: '1000' },
    troubles: { type: 'string', default: '4' },
    loss: { type: 'string', default: '0.03' },
  },
});

const seeds =
  values.seed === undefined
    ? Array.from({ length: Number(values.seeds) }, (_, position) => String(position + 1))
    : [values.seed];
let failed = 0;
for (const seed of seeds) {
  try {
    const result = await simulate({
      seed,
      puts: Number(values.puts),
      troubles: Number(values.troubles),
      loss: Number(values.loss),
    });
    const {
      traceHash,
      steps,
      elections,
      crashes,
      splits,
      framesLost,
      acknowledged,
      unknown,
      virtualMs,
    } = result;
    console.log(
      `seed ${seed} ${traceHash} steps=${steps} elections=${elections} crashes=${crashes} splits=${splits} lost=${framesLost} ` +
        `acknowledged=${acknowledged} unknown=${unknown} virtual=${virtualMs}ms`,
    );
  } catch (error) {
    failed += 1;
    console.error(error);
  }
}
if (seeds.length > 1) console.log(`${seeds.length - failed} seeds passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
