const BASIS = 0x811c9dc5;
const OTHER_BASIS = 0x9747b28c;
const PRIME = 0x01000193;

/**
 * A rolling hash over everything that happens, in the order in which it happens: two runs that differ
 * anywhere end in different hashes. Two words of FNV-1a, the second fed by the first.
 */
export class Trace {
  #high = BASIS;
  #low = OTHER_BASIS;
  #count = 0;

  /** Steps so far. */
  get count(): number {
    return this.#count;
  }

  /** Sixteen hexadecimal digits. */
  get hash(): string {
    return [this.#high, this.#low]
      .map((word) => (word >>> 0).toString(16).padStart(8, '0'))
      .join('');
  }

  /** Notes one step: the time, what it was, and bytes that belong to it. */
  add(nowMs: number, what: string, bytes: Uint8Array = new Uint8Array(0)): void {
    this.#count += 1;
    const text = `${nowMs} ${what} `;
    for (let i = 0; i < text.length; i += 1) this.#mix(text.charCodeAt(i));
    for (const byte of bytes) this.#mix(byte);
  }

  #mix(value: number): void {
    this.#high = Math.imul(this.#high ^ value, PRIME);
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 13), PRIME);
  }
}
