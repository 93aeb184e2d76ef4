import t from 'tap';
import { explain } from '../../lib/testing/index.js';
import { FAULTS, runChaos } from '../chaos/chaos.js';
import { runMemoryControl } from '../chaos/memory-control.js';
import { controlFaults, reportOf } from '../chaos/report.js';

/*
 * A small version of `npm run chaos`: about half a minute, and longer on a machine that is busy. It needs no
 * rights; the faults that do are in wal-devices.test.ts and drills.test.ts.
 */
t.setTimeout(240_000);

const CHOSEN = [
  ...['kill', 'kill-all', 'pause', 'restart'],
  ...['split', 'one-way', 'slow-close', 'reset'],
  ...['transfer', 'replace', 'remove', 'add'],
];

t.test(
  'three processes that are killed, stopped, cut off and replaced keep what they promise (faults A1, A4, A11, A12, A14, B2, C4, C5, D2, D3, D4, D10, D12, D13, F1, F2, F11, G4, G8)',
  async (t) => {
    const result = await runChaos({
      nodes: 3,
      seconds: 15,
      seed: '1',
      faults: FAULTS.filter(({ name }) => CHOSEN.includes(name)),
      clients: 6,
      pauseMs: 60,
    });
    for (const line of reportOf(result)) t.comment(line);
    t.same(result.violations, [], explain(result.check));
    t.same([...result.faults.keys()].sort(), [...CHOSEN].sort(), 'each was asked for');
    for (const name of ['kill', 'kill-all', 'pause', 'restart']) {
      t.ok((result.faults.get(name)?.happened ?? 0) > 0, `${name} happened`);
    }
    const happened = [...result.faults.values()].filter((count) => count.happened > 0);
    t.ok(happened.length >= 8, `${happened.length} kinds of faults happened`);
    t.ok(result.acknowledged > 200, `${result.acknowledged} calls were answered`);
    t.ok(result.writtenOnce > 0);
    // Checks that find nothing prove something where they find what is there to be found.
    t.same(controlFaults(result, await runMemoryControl('1')), []);
  },
);
