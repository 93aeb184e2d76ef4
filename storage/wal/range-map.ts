import { assert } from '../../lib/base/index.js';

/** What stands for the indexes [first, last]. */
export interface Range<T> {
  readonly first: number;
  readonly last: number;
  readonly value: T;
}

export interface RangeMapOptions<T> {
  /** Whether neighbours with these values are one range. */
  readonly isSame: (a: T, b: T) => boolean;
  /** Told how many indexes more, or less, have this value. */
  readonly onChange: (value: T, difference: number) => void;
}

/** Values for runs of indexes: in order, without overlap, perhaps with gaps. */
export class RangeMap<T> {
  readonly #options: RangeMapOptions<T>;
  #ranges: Range<T>[] = [];

  constructor(options: RangeMapOptions<T>) {
    this.#options = options;
  }

  get ranges(): readonly Range<T>[] {
    return this.#ranges;
  }

  /** Stands for [first, last] from now on, in place of what did. */
  put(first: number, last: number, value: T): void {
    assert(first <= last, 'a range holds at least one index');
    const end = this.#ranges.at(-1);
    if (end === undefined || end.last < first) {
      this.#append({ first, last, value });
      return;
    }
    const later = this.#cutFrom(first).flatMap((range) => after(range, last));
    this.#append({ first, last, value });
    for (const range of later) this.#append(range);
  }

  /** Forgets `index` and everything after it. */
  cutFrom(index: number): void {
    this.#cutFrom(index);
  }

  /** Forgets everything up to `index`, itself included. */
  dropThrough(index: number): void {
    let whole = 0;
    for (const { last } of this.#ranges) {
      if (last > index) break;
      whole += 1;
    }
    for (const range of this.#ranges.splice(0, whole)) this.#changed(range, -1);
    const [first] = this.#ranges;
    if (first === undefined || first.first > index) return;
    const rest = { ...first, first: index + 1 };
    this.#changed(first, -1);
    this.#changed(rest, 1);
    this.#ranges[0] = rest;
  }

  /** Puts another value in place of each one. */
  revalue(other: (value: T) => T): void {
    const ranges = this.#ranges;
    this.#ranges = [];
    for (const range of ranges) {
      this.#changed(range, -1);
      this.#append({ ...range, value: other(range.value) });
    }
  }

  /** What was cut off, in order. */
  #cutFrom(index: number): Range<T>[] {
    const cut: Range<T>[] = [];
    for (let range = this.#ranges.at(-1); range !== undefined && range.last >= index; ) {
      this.#ranges.pop();
      this.#changed(range, -1);
      if (range.first < index) this.#append({ ...range, last: index - 1 });
      cut.push({ ...range, first: Math.max(range.first, index) });
      range = this.#ranges.at(-1);
    }
    return cut.reverse();
  }

  #append(range: Range<T>): void {
    this.#changed(range, 1);
    const end = this.#ranges.at(-1);
    const isNext = end !== undefined && end.last + 1 === range.first;
    if (isNext && this.#options.isSame(end.value, range.value)) {
      this.#ranges[this.#ranges.length - 1] = { ...end, last: range.last };
    } else {
      this.#ranges.push(range);
    }
  }

  #changed({ first, last, value }: Range<T>, sign: 1 | -1): void {
    this.#options.onChange(value, sign * (last - first + 1));
  }
}

/** What is left of a range after `index`. */
function after<T>(range: Range<T>, index: number): Range<T>[] {
  if (range.last <= index) return [];
  return [{ ...range, first: Math.max(range.first, index + 1) }];
}
