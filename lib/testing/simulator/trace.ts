const BASIS = 0x811c9dc5;
const OTHER_BASIS = 0x9747b28c;
const PRIME = 0x01000193;

export interface TraceOptions {
  /** Of the simulation, in milliseconds. */
  readonly now: () => number;
  /** Is given a line for each step. Without it only the hash is kept. */
  readonly print?: ((line: string) => void) | undefined;
}

/**
 * A rolling hash over everything that happens, in the order in which it happens: two runs that differ
 * anywhere end in different hashes. Two words of FNV-1a, the second fed by the first.
 */
export class Trace {
  readonly #options: TraceOptions;
  /** What was noted is said in few different words. */
  readonly #words = new Map<string, number>();
  #high = BASIS;
  #low = OTHER_BASIS;
  #count = 0;

  constructor(options: TraceOptions) {
    this.#options = options;
  }

  /** Steps so far. */
  get count(): number {
    return this.#count;
  }

  /** For whoever reads it; the hash knows nothing of it. `what` is asked only where somebody does. */
  tell(what: () => string): void {
    this.#options.print?.(`${' '.repeat(12)}   ${what()}`);
  }

  /** Sixteen hexadecimal digits. */
  get hash(): string {
    return [this.#high, this.#low]
      .map((word) => (word >>> 0).toString(16).padStart(8, '0'))
      .join('');
  }

  /** Notes one step: when, what in few words, and two numbers that belong to it. */
  note(what: string, a = 0, b = 0): void {
    const { now, print } = this.#options;
    this.#count += 1;
    const us = Math.round(now() * 1000);
    this.#mix(us | 0);
    this.#mix((us / 4294967296) | 0);
    this.#mix(this.#word(what));
    this.#mix(a | 0);
    this.#mix(b | 0);
    if (print !== undefined) print(`${(us / 1000).toFixed(3).padStart(12)} ${what} ${a} ${b}`);
  }

  /** Notes text, for what happens seldom. */
  say(what: string): void {
    this.note(what, hashOf(what));
  }

  #word(what: string): number {
    let word = this.#words.get(what);
    if (word === undefined) {
      word = hashOf(what);
      // Texts that are said once would fill it.
      if (this.#words.size < 4096) this.#words.set(what, word);
    }
    return word;
  }

  #mix(value: number): void {
    this.#high = Math.imul(this.#high ^ value, PRIME);
    this.#high ^= this.#high >>> 15;
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 13), PRIME);
  }
}

/** FNV-1a of the text's code units. */
export function hashOf(text: string): number {
  let word = BASIS;
  for (let i = 0; i < text.length; i += 1) word = Math.imul(word ^ text.charCodeAt(i), PRIME);
  return word | 0;
}

/** FNV-1a of bytes. */
export function digestOf(bytes: Uint8Array): number {
  let word = BASIS;
  for (let i = 0; i < bytes.length; i += 1) word = Math.imul(word ^ (bytes[i] ?? 0), PRIME);
  return word | 0;
}
