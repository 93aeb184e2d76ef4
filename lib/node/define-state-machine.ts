import { concatBytes, copyBytes, EMPTY_BYTES, QuorateError } from '../base/index.js';
import type { CommittedCommand, StateMachine } from '../interfaces/index.js';
import { type Codec, json } from '../store/index.js';

/** What an entry tells the reducer beside its command: the same on every node. */
export type CommandContext = Pick<CommittedCommand, 'index' | 'term' | 'logTimeMs'>;

/** A state machine as two functions over immutable state. */
export interface StateMachineDefinition<State, Command, Result, Query, Answer> {
  /** Before the first command. */
  readonly initial: State;
  /**
   * The next state and what to tell the proposer. `state` itself is never changed: snapshots show it
   * later. No clock, no chance, no I/O; what it throws stops the node.
   */
  readonly apply: (
    state: State,
    command: Command,
    context: CommandContext,
  ) => { readonly state: State; readonly result: Result };
  /** Reads the state, and changes nothing. What it throws rejects the query. */
  readonly query: (state: State, query: Query) => Answer;
  /**
   * JSON unless told; a result or answer may then be undefined. What a codec does not carry is lost on
   * the way, and a state must be the same behind it: JSON turns dates into text.
   */
  readonly codecs?: Partial<MachineCodecs<State, Command, Result, Query, Answer>> | undefined;
}

/** How the parts of a machine become bytes. */
export interface MachineCodecs<State, Command, Result, Query, Answer> {
  readonly state: Codec<State> | undefined;
  readonly command: Codec<Command> | undefined;
  readonly result: Codec<Result> | undefined;
  readonly query: Codec<Query> | undefined;
  readonly answer: Codec<Answer> | undefined;
}

/** A state machine that also turns its commands and answers into bytes and back. */
export interface TypedStateMachine<Command, Result, Query, Answer> extends StateMachine {
  /** For `RaftNode.propose`. */
  encodeCommand(command: Command): Uint8Array;
  /** What `RaftNode.propose` resolved with. ERR_ENCODING where the proposal was no command. */
  decodeResult(result: Uint8Array): Result;
  /** For `RaftNode.query`. */
  encodeQuery(query: Query): Uint8Array;
  /** What `RaftNode.query` resolved with. */
  decodeAnswer(answer: Uint8Array): Answer;
}

/**
 * A state machine from a typed reducer. Its snapshot is the state that was current when it was asked
 * for: it costs nothing until it is read, because the reducer changes no state.
 */
export function defineStateMachine<State, Command, Result, Query, Answer>(
  definition: StateMachineDefinition<State, Command, Result, Query, Answer>,
): TypedStateMachine<Command, Result, Query, Answer> {
  return new ReducerMachine(definition);
}

/** A result is one byte, and where it is APPLIED what the codec made of it. */
const APPLIED = 0;
const REFUSED = new Uint8Array([1]);

const CHUNK_BYTES = 64 * 1024;

class ReducerMachine<State, Command, Result, Query, Answer>
  implements TypedStateMachine<Command, Result, Query, Answer>
{
  readonly #definition: StateMachineDefinition<State, Command, Result, Query, Answer>;
  readonly #states: Codec<State>;
  readonly #commands: Codec<Command>;
  readonly #results: Codec<Result>;
  readonly #queries: Codec<Query>;
  readonly #answers: Codec<Answer>;
  #state: State;

  constructor(definition: StateMachineDefinition<State, Command, Result, Query, Answer>) {
    const { initial, codecs = {} } = definition;
    this.#definition = definition;
    this.#states = codecs.state ?? json();
    this.#commands = codecs.command ?? json();
    this.#results = codecs.result ?? jsonOrNothing();
    this.#queries = codecs.query ?? json();
    this.#answers = codecs.answer ?? jsonOrNothing();
    this.#state = initial;
  }

  apply(commands: readonly CommittedCommand[]): readonly Uint8Array[] {
    return commands.map((entry) => this.#apply(entry));
  }

  query(query: Uint8Array): Uint8Array {
    const answer = this.#definition.query(this.#state, this.#queries.decode(copyBytes(query)));
    return this.#answers.encode(answer);
  }

  snapshot(): AsyncIterable<Uint8Array> {
    return chunksOf(this.#state, this.#states);
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(copyBytes(chunk));
    try {
      this.#state = this.#states.decode(parts.length === 0 ? EMPTY_BYTES : concatBytes(parts));
    } catch (cause) {
      throw new QuorateError('ERR_CORRUPT', { message: 'the snapshot is not a state', cause });
    }
  }

  encodeCommand(command: Command): Uint8Array {
    return this.#commands.encode(command);
  }

  decodeResult(result: Uint8Array): Result {
    if (result[0] === APPLIED) return this.#results.decode(copyBytes(result.subarray(1)));
    throw new QuorateError('ERR_ENCODING', { message: 'what was proposed is not a command' });
  }

  encodeQuery(query: Query): Uint8Array {
    return this.#queries.encode(query);
  }

  decodeAnswer(answer: Uint8Array): Answer {
    return this.#answers.decode(copyBytes(answer));
  }

  #apply({ command: packed, index, term, logTimeMs }: CommittedCommand): Uint8Array {
    const command = this.#decodeCommand(packed);
    // Nothing of the error is answered: its text differs between versions of Node.
    if (command === null) return REFUSED;
    const context = { index, term, logTimeMs };
    const next = this.#definition.apply(this.#state, command.value, context);
    const result = concatBytes([new Uint8Array([APPLIED]), this.#results.encode(next.result)]);
    this.#state = next.state;
    return result;
  }

  #decodeCommand(packed: Uint8Array): { readonly value: Command } | null {
    try {
      return { value: this.#commands.decode(copyBytes(packed)) };
    } catch {
      // Whoever proposed it is told; to stop every node for it would be worse.
      return null;
    }
  }
}

/** JSON, and no bytes at all for undefined: a reducer without a result must not stop its node. */
function jsonOrNothing<T>(): Codec<T> {
  const some = json<T>();
  return {
    encode: (value) => (value === undefined ? EMPTY_BYTES : some.encode(value)),
    decode: (bytes) => (bytes.length === 0 ? (undefined as T) : some.decode(bytes)),
  };
}

/** Generator functions hold their arguments from the call on: the state is fixed here. */
async function* chunksOf<State>(
  state: State,
  codec: Codec<State>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = codec.encode(state);
  for (let i = 0; i < bytes.length; i += CHUNK_BYTES) yield bytes.slice(i, i + CHUNK_BYTES);
}
