import type { HardState } from '../raft/types.js';

export type { HardState } from '../raft/types.js';

/**
 * Where one group of one node keeps its term and vote.
 *
 * Contract, checked by `stateStorageSuite`:
 * - `load` gives what the last completed `save` stored, or null when nothing ever was. State that is
 *   missing beside a log, or damaged in every copy, is ERR_CORRUPT: never null, never an older vote.
 * - `save` resolves once both are durable, together: after a crash at any point `load` gives the old
 *   pair or the new pair, never a new term with an old vote.
 * - Calls never overlap. After a failure every later call fails too.
 */
export interface StateStorage {
  /** What the last `save` stored; null when nothing ever was. */
  load(): Promise<HardState | null>;
  /** Resolves when term and vote are durable, together. */
  save(state: HardState): Promise<void>;
}
