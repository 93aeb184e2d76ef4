import { concatBytes, toHex } from '../../lib/base/index.js';
import {
  COMMAND_VERSION,
  decodeResult,
  encodeCommand,
  type KVCommand,
  KVMachine,
  type KVResult,
  type KVView,
  type RangeQuery,
} from '../../lib/kv/machine/index.js';
import { KVModel } from './kv-model.js';

export const EVERYTHING: RangeQuery = {
  from: new Uint8Array(),
  to: null,
  limit: Number.MAX_SAFE_INTEGER,
  maxBytes: Number.MAX_SAFE_INTEGER,
  reverse: false,
};

/** What a property test may do to both. */
export type Step =
  | { readonly do: 'apply'; readonly command: KVCommand }
  | { readonly do: 'read'; readonly key: Uint8Array; readonly query: RangeQuery }
  | { readonly do: 'view' }
  | { readonly do: 'release'; readonly which: number }
  | { readonly do: 'restore'; readonly cut: number };

/** The machine beside its model, step by step. */
export class Comparison {
  readonly #machine = new KVMachine();
  readonly #model = new KVModel();
  readonly #views: { view: KVView; model: KVModel }[] = [];

  perform(step: Step): void {
    switch (step.do) {
      case 'apply': {
        const result = apply(this.#machine, step.command);
        assertSame(result, this.#model.apply(step.command));
        break;
      }
      case 'read':
        assertSame(this.#machine.get(step.key), this.#model.get(step.key));
        this.#walk(step.query);
        break;
      case 'view':
        this.#views.push({ view: this.#machine.view(), model: this.#model.copy() });
        break;
      case 'release': {
        const [held] = this.#views.splice(step.which % Math.max(1, this.#views.length), 1);
        if (held !== undefined) this.#check(held);
        break;
      }
      case 'restore': {
        const before = snapshotOf(this.#machine);
        write(this.#machine, before, step.cut);
        assertSame(toHex(snapshotOf(this.#machine)), toHex(before));
        break;
      }
    }
    assertSame(this.#machine.revision, this.#model.revision);
  }

  finish(): void {
    for (const held of this.#views) this.#check(held);
    assertSame(this.#machine.range(EVERYTHING).entries, this.#model.entries());
    assertSame(this.#machine.usage.slotCount, this.#model.entries().length);
  }

  #check({ view, model }: { view: KVView; model: KVModel }): void {
    assertSame(view.revision, model.revision);
    assertSame(view.range(EVERYTHING).entries, model.entries());
    for (const { key } of this.#model.entries()) assertSame(view.get(key), model.get(key));
    view.release();
  }

  /** The first step as the model says, and all steps together the whole span. */
  #walk(query: RangeQuery): void {
    let step = this.#machine.range(query);
    assertSame(step.entries, this.#model.range(query));
    const walked = [...step.entries];
    while (step.rest !== null) {
      step = this.#machine.range({ ...query, ...step.rest });
      walked.push(...step.entries);
    }
    const whole = { ...query, limit: EVERYTHING.limit, maxBytes: EVERYTHING.maxBytes };
    assertSame(walked, this.#model.range(whole));
  }
}

export function apply(machine: KVMachine, command: KVCommand): KVResult {
  const packed = encodeCommand(command);
  return decodeResult(
    machine.apply({ command: packed, commandVersion: COMMAND_VERSION, logTimeMs: 0 }),
  );
}

export function snapshotOf(machine: KVMachine): Uint8Array {
  return concatBytes([...machine.snapshot()]);
}

export function write(machine: KVMachine, snapshot: Uint8Array, cut: number): void {
  const restorer = machine.restorer();
  for (let i = 0; i < snapshot.length; i += cut) {
    const chunk = new Uint8Array(snapshot.subarray(i, i + cut));
    restorer.write(chunk);
    chunk.fill(0xee); // The chunk stays the caller's.
  }
  restorer.finish();
}

/** Throws unless both print the same; bytes as hexadecimal digits. */
export function assertSame(actual: unknown, expected: unknown): void {
  const [a, b] = [print(actual), print(expected)];
  if (a !== b) throw new Error(`${a}\nis not\n${b}`);
}

function print(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner instanceof Uint8Array ? toHex(inner) : inner,
  );
}
