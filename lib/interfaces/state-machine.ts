import type { LogIndex, Term } from '../base/index.js';

/** One committed command. */
export interface CommittedCommand {
  readonly index: LogIndex;
  readonly term: Term;
  /** Milliseconds of leaders' time since the log began, the same on every node. Never goes back. */
  readonly logTimeMs: number;
  /** What the proposer said of the layout of `command`. */
  readonly commandVersion: number;
  /** Shared with the log: never changed, and copied by whoever keeps a part of it for long. */
  readonly command: Uint8Array;
}

/**
 * What is replicated: the same commands in the same order give the same state and the same answers on
 * every node. So: no clock, no chance, no I/O.
 *
 * Contract, checked by `stateMachineSuite`:
 * - `apply` is synchronous and gives one answer per command. Bad commands are answered, not thrown:
 *   a throw stops the node with ERR_MACHINE, because skipping the command would diverge.
 * - `snapshot` fixes a point in time when it is called; what it yields is not changed by later
 *   `apply` calls, which go on meanwhile. Leaving the iteration early releases it.
 * - `restore` replaces all state by what a snapshot of the same machine yielded.
 * - `query` changes nothing.
 */
export interface StateMachine {
  /** Changes the state by committed commands, in order; one answer for each. */
  apply(commands: readonly CommittedCommand[]): readonly Uint8Array[];
  /** Reads the state as of now. */
  query(query: Uint8Array): Uint8Array;
  /** The state as of this call, in chunks. */
  snapshot(): AsyncIterable<Uint8Array>;
  /** Replaces all state by what a snapshot yielded. */
  restore(chunks: AsyncIterable<Uint8Array>): Promise<void>;
}
