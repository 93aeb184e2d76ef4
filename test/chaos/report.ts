import { explain } from '../../lib/testing/index.js';
import type { ChaosResult } from './chaos.js';
import type { MemoryControlResult } from './memory-control.js';

/** Everything that a run came to, a line each. */
export function reportOf(result: ChaosResult): readonly string[] {
  const { faults, failures, check, staleControl } = result;
  const width = Math.max(0, ...[...faults.keys()].map((name) => name.length));
  const [verdict = ''] = explain(check).split('\n');
  const [control = ''] = explain(staleControl).split('\n');
  return [
    'faults: asked, happened',
    ...[...faults].map(([name, { asked, happened, note }]) => {
      const missed = asked === happened ? '' : `   else: ${note ?? 'it threw'}`;
      return `  ${name.padEnd(width)} ${String(asked).padStart(5)} ${String(happened).padStart(5)}${missed}`;
    }),
    `calls: ${result.calls}, ${result.acknowledged} answered; ${result.keys} keys`,
    ...[...failures].sort().map(([what, count]) => `  ${what}: ${count}`),
    `the latest call was settled ${Math.round(result.latestMs)} ms after its deadline`,
    `longest time in which nobody was answered: ${Math.round(result.longestPauseMs)} ms`,
    `after the last fault a new client's write took ${Math.round(result.recoveryMs)} ms`,
    `at the end: term ${result.term}; ${result.members.join(', ')}`,
    `history: ${verdict}`,
    `listings: ${result.listings}, each held against the revisions of all changes`,
    `written once and acknowledged: ${result.writtenOnce}, lost: ${result.lost.length}`,
    `control: ${result.staleReads} stale reads passed off as linearizable: ${control}`,
  ];
}

export function memoryReportOf({
  writtenOnce,
  lost,
  check,
}: MemoryControlResult): readonly string[] {
  const [verdict = ''] = explain(check).split('\n');
  return [
    `control: in memory, all killed: written once and acknowledged: ${writtenOnce}, lost: ${lost}`,
    `control: in memory, all killed: ${verdict}`,
  ];
}

/** Why the controls themselves fail; none where what must be caught was caught. */
export function controlFaults(result: ChaosResult, memory: MemoryControlResult): readonly string[] {
  return [
    ...(result.staleControl.verdict === 'violated' ? [] : ['stale reads were not caught']),
    ...(memory.lost > 0 && memory.check.verdict === 'violated'
      ? []
      : ['what was lost with the memory was not caught']),
  ];
}
