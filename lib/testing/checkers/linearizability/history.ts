import { QuorateError } from '../../../base/index.js';
import type { Clock } from '../../../interfaces/index.js';

/** One call of a client, from where it began to what is known of its end. */
export type Operation<Input, Output> = Call<Input> &
  (
    | {
        /** It happened, once, and this is what it answered. */
        readonly outcome: 'acknowledged';
        /** Never undefined, unless the answer tells nothing at all. */
        readonly output: Output;
        readonly returnedAt: number;
        readonly returnedMs: number;
      }
    | {
        /** It did not happen and never will. */
        readonly outcome: 'rejected';
        readonly returnedAt: number;
        readonly returnedMs: number;
      }
    | {
        /**
         * It may have happened, or may still happen at any later time: a timeout, a lost connection, a
         * call that was under way at the end. When the caller gave up tells nothing.
         */
        readonly outcome: 'unknown';
        /** Null where the caller still waits. */
        readonly returnedMs: number | null;
      }
  );

/** What is known of a call when it is made. */
export interface Call<Input> {
  /** Who called: a name for the reader. One client may have several calls under way. */
  readonly client: string;
  /** Plain data: what has the same JSON is the same. */
  readonly input: Input;
  /**
   * Places in one order of all begins and ends of a history. An operation that returned at a place before
   * that of another's invocation came before it; all others are concurrent.
   */
  readonly invokedAt: number;
  /** By the clock of the recorder, for the reader alone. */
  readonly invokedMs: number;
}

/** Ends one call of a history. The first end counts, later ones are passed over. */
export interface PendingCall<Output> {
  /** It happened, and this is what it answered. */
  acknowledge(output: Output): void;
  /** It did not happen, and never will. */
  reject(): void;
  /** Nobody knows what became of it. */
  lose(): void;
}

/** How a history is kept. */
export interface HistoryOptions {
  /** Stamps begins and ends with `now()`, in milliseconds. Default: their places in the order. */
  readonly clock?: Pick<Clock, 'now'> | undefined;
}

interface Entry<Input, Output> {
  readonly call: Call<Input>;
  operation: Operation<Input, Output> | null;
}

/**
 * Writes down what clients ask and what they are told, in the order in which it happens. Everything of one
 * history is recorded in one process; what is recorded on both ends of a socket has no common order.
 *
 * It costs an object a call, and keeps inputs and outputs as they are: they must not be changed later.
 */
export class History<Input, Output> {
  readonly #entries: Entry<Input, Output>[] = [];
  readonly #clock: Pick<Clock, 'now'> | null;
  #events = 0;

  constructor({ clock }: HistoryOptions = {}) {
    this.#clock = clock ?? null;
  }

  /** Calls begun. */
  get size(): number {
    return this.#entries.length;
  }

  /** Notes that a client begins a call. */
  begin(client: string, input: Input): PendingCall<Output> {
    const [invokedAt, invokedMs] = this.#place();
    const call: Call<Input> = { client, input, invokedAt, invokedMs };
    const entry: Entry<Input, Output> = { call, operation: null };
    this.#entries.push(entry);
    const end = (make: (at: number, ms: number) => Operation<Input, Output>): void => {
      entry.operation ??= make(...this.#place());
    };
    return {
      acknowledge: (output) =>
        end((returnedAt, returnedMs) => {
          return { ...call, outcome: 'acknowledged', output, returnedAt, returnedMs };
        }),
      reject: () =>
        end((returnedAt, returnedMs) => ({ ...call, outcome: 'rejected', returnedAt, returnedMs })),
      lose: () => end((_, returnedMs) => ({ ...call, outcome: 'unknown', returnedMs })),
    };
  }

  /**
   * Runs a call and notes its begin and end. What it throws is thrown again: a `QuorateError` says by its
   * `outcome` whether the call is rejected or unknown, any other error leaves it unknown.
   */
  async record<Result extends Output>(
    client: string,
    input: Input,
    run: () => Promise<Result>,
  ): Promise<Result> {
    const call = this.begin(client, input);
    try {
      const output = await run();
      call.acknowledge(output);
      return output;
    } catch (error) {
      if (QuorateError.is(error) && error.outcome === 'rejected') call.reject();
      else call.lose();
      throw error;
    }
  }

  /** Everything so far, in the order of the begins. What is under way is unknown. */
  get operations(): readonly Operation<Input, Output>[] {
    return this.#entries.map(({ call, operation }) => {
      return operation ?? { ...call, outcome: 'unknown', returnedMs: null };
    });
  }

  #place(): [at: number, ms: number] {
    this.#events += 1;
    return [this.#events, this.#clock?.now() ?? this.#events];
  }
}

/** One line of JSON an operation, each ended by a newline. Inputs and outputs must be JSON themselves. */
export function formatHistory<Input, Output>(
  operations: readonly Operation<Input, Output>[],
): string {
  return operations.map((operation) => `${JSON.stringify(operation)}\n`).join('');
}

/**
 * The operations that `formatHistory` wrote. A line that is none is ERR_ENCODING with its number; inputs
 * and outputs are taken for what the caller says that they are.
 */
export function parseHistory<Input, Output>(text: string): readonly Operation<Input, Output>[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line, position) => {
    try {
      const operation: Operation<Input, Output> = JSON.parse(line);
      if (isOperation(operation)) return operation;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    const message = `line ${position + 1} of the history is not an operation`;
    throw new QuorateError('ERR_ENCODING', { message });
  });
}

function isOperation(value: Operation<unknown, unknown> | null): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (typeof value.client !== 'string' || !Number.isFinite(value.invokedAt)) return false;
  if (value.outcome === 'unknown') return true;
  if (value.outcome !== 'acknowledged' && value.outcome !== 'rejected') return false;
  return Number.isFinite(value.returnedAt) && value.returnedAt >= value.invokedAt;
}
