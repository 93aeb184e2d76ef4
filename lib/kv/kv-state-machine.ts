import type { CommittedCommand, StateMachine } from '../interfaces/index.js';
import { encodeFound, KVMachine } from './machine/index.js';

/**
 * The key-value machine behind the port that the driver knows. Local reads go to `machine`, which is
 * typed; `query` is for whoever knows the port alone: a query is a key, and `decodeFound` reads the answer.
 */
export class KVStateMachine implements StateMachine {
  readonly machine: KVMachine = new KVMachine();

  apply(commands: readonly CommittedCommand[]): readonly Uint8Array[] {
    return commands.map((command) => this.machine.apply(command));
  }

  query(query: Uint8Array): Uint8Array {
    return encodeFound(this.machine.get(query));
  }

  snapshot(): AsyncIterable<Uint8Array> {
    const chunks = this.machine.snapshot();
    const iterator: AsyncIterator<Uint8Array> = {
      next: async () => chunks.next(),
      return: async () => chunks.return?.() ?? { done: true, value: undefined },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const restorer = this.machine.restorer();
    for await (const chunk of chunks) restorer.write(chunk);
    restorer.finish();
  }
}
