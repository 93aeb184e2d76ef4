import type { KVStore } from 'quorate';

const PREFIX = 'drill/';

interface Line {
  attempted: number;
  acknowledged: number;
}

/** One write, to be made and then acknowledged. */
export interface Draft {
  readonly key: string;
  readonly value: string;
  readonly number: number;
}

/**
 * What was written and what was acknowledged, so that it can be read back. Every write of a key has a
 * number, which its value begins with; whoever writes a key twice waits for the first of them.
 */
export class Ledger {
  readonly #valueBytes: number;
  readonly #lines = new Map<string, Line>();
  #acknowledgedCount = 0;

  constructor({ valueBytes = 64 } = {}) {
    this.#valueBytes = valueBytes;
  }

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  /** The next write of a key. */
  draft(name: number): Draft {
    const key = `${PREFIX}${String(name).padStart(9, '0')}`;
    const line = this.#lines.get(key) ?? { attempted: 0, acknowledged: 0 };
    this.#lines.set(key, line);
    line.attempted += 1;
    const value = `${line.attempted} `.padEnd(this.#valueBytes, 'v');
    return { key, value, number: line.attempted };
  }

  acknowledge({ key, number }: Draft): void {
    this.#acknowledgedCount += 1;
    const line = this.#lines.get(key);
    if (line !== undefined) line.acknowledged = Math.max(line.acknowledged, number);
  }

  /** Reads everything, and names the keys that do not hold what was acknowledged or a later attempt. */
  async lost(kv: KVStore): Promise<readonly string[]> {
    const stored = new Map<string, number>();
    for await (const { key, value } of kv.list({ prefix: PREFIX })) {
      stored.set(key, Number.parseInt(value, 10));
    }
    return [...this.#lines].flatMap(([key, { acknowledged, attempted }]) => {
      const number = stored.get(key) ?? 0;
      return number >= acknowledged && number <= attempted ? [] : [key];
    });
  }
}
