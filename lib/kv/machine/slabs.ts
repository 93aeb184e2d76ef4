import { assert } from '../../base/index.js';

/** Names a stored value: a safe integer, reused after `free`. */
export type Slot = number;

/** Memory of a store's values. */
export interface SlabUsage {
  /** Bytes of the values themselves. */
  readonly usedBytes: number;
  /** Bytes taken from the runtime for them. */
  readonly reservedBytes: number;
  readonly slotCount: number;
}

/**
 * Keeps values by slot, so that many values are few objects to the garbage collector.
 *
 * Contract: `put` copies. `read` gives a view that nobody changes until the slot is freed. A slot
 * is freed once; memory of freed slots is reused, and given back when a whole page is free.
 */
export interface ValueSlabs {
  put(value: Uint8Array): Slot;
  read(slot: Slot): Uint8Array;
  free(slot: Slot): void;
  usage(): SlabUsage;
}

const PAGE_BYTES = 256 * 1024;
const SLOT_UNIT_BYTES = 16;
/** Values up to this share pages; larger ones have memory of their own. */
const MAX_SHARED_BYTES = PAGE_BYTES / 4;
/** Slots of the smallest class in one page: a slot is page * this + place. */
const PLACES = PAGE_BYTES / SLOT_UNIT_BYTES;
/** In `lengths`: the place is free, and the lower bits are the next free place. */
const FREE = 0x8000_0000;
const NO_PLACE = FREE - 1;

/** One page, cut into slots of one size. */
interface Page {
  readonly memory: Uint8Array;
  readonly sizeClass: number;
  readonly slotBytes: number;
  readonly places: number;
  /** By place: the value's length, or FREE and the next free place. */
  readonly lengths: Uint32Array;
  /** Head of the list of freed places, or NO_PLACE. */
  freed: number;
  /** Places from here on were never used. */
  fresh: number;
  /** 0 <= used <= fresh <= places. */
  used: number;
}

/** Slabs in pages of 256 KiB, each cut into slots of one size; a slot wastes at most a fifth. */
export class ArenaSlabs implements ValueSlabs {
  readonly #pages: (Page | null)[] = [];
  readonly #freePageIds: number[] = [];
  /** By size class: ids of pages with a free place; the last one is filled next. */
  readonly #roomy: number[][] = [];
  readonly #large: (Uint8Array | null)[] = [];
  readonly #freeLargeIds: number[] = [];
  /** One empty page is kept: a store that breathes at a page's edge does not allocate each time. */
  #spare: Uint8Array | null = null;
  #usedBytes = 0;
  #reservedBytes = 0;
  #slotCount = 0;

  put(value: Uint8Array): Slot {
    this.#usedBytes += value.length;
    this.#slotCount += 1;
    if (value.length > MAX_SHARED_BYTES) return this.#putLarge(value);
    const sizeClass = sizeClassOf(value.length);
    const id = this.#roomy[sizeClass]?.at(-1) ?? this.#addPage(sizeClass);
    const page = this.#page(id);
    const place = takePlace(page);
    page.lengths[place] = value.length;
    page.memory.set(value, place * page.slotBytes);
    if (page.used === page.places) this.#roomy[sizeClass]?.pop();
    return id * PLACES + place;
  }

  read(slot: Slot): Uint8Array {
    if (slot < 0) return this.#largeValue(slot);
    const place = slot % PLACES;
    const page = this.#page((slot - place) / PLACES);
    const length = lengthAt(page, place);
    const start = place * page.slotBytes;
    return page.memory.subarray(start, start + length);
  }

  free(slot: Slot): void {
    this.#slotCount -= 1;
    if (slot < 0) {
      this.#freeLarge(slot);
      return;
    }
    const place = slot % PLACES;
    const id = (slot - place) / PLACES;
    const page = this.#page(id);
    this.#usedBytes -= lengthAt(page, place);
    if (page.used === page.places) this.#roomy[page.sizeClass]?.push(id);
    page.lengths[place] = FREE | page.freed;
    page.freed = place;
    page.used -= 1;
    if (page.used === 0) this.#removePage(id, page);
  }

  usage(): SlabUsage {
    return {
      usedBytes: this.#usedBytes,
      reservedBytes: this.#reservedBytes,
      slotCount: this.#slotCount,
    };
  }

  #page(id: number): Page {
    const page = this.#pages[id];
    assert(page !== null && page !== undefined, 'a slot lies in a page');
    return page;
  }

  #addPage(sizeClass: number): number {
    const memory = this.#spare ?? new Uint8Array(PAGE_BYTES);
    if (this.#spare === null) this.#reservedBytes += PAGE_BYTES;
    this.#spare = null;
    const id = this.#freePageIds.pop() ?? this.#pages.length;
    this.#pages[id] = cutPage(memory, sizeClass);
    const roomy = this.#roomy[sizeClass];
    if (roomy === undefined) this.#roomy[sizeClass] = [id];
    else roomy.push(id);
    return id;
  }

  #removePage(id: number, page: Page): void {
    const roomy = this.#roomy[page.sizeClass];
    const at = roomy?.indexOf(id) ?? -1;
    assert(at >= 0, 'an empty page has room');
    roomy?.splice(at, 1);
    this.#pages[id] = null;
    this.#freePageIds.push(id);
    if (this.#spare === null) this.#spare = page.memory;
    else this.#reservedBytes -= PAGE_BYTES;
  }

  #putLarge(value: Uint8Array): Slot {
    const id = this.#freeLargeIds.pop() ?? this.#large.length;
    this.#large[id] = new Uint8Array(value);
    this.#reservedBytes += value.length;
    return -1 - id;
  }

  #largeValue(slot: Slot): Uint8Array {
    const value = this.#large[-1 - slot];
    assert(value !== null && value !== undefined, 'the slot is in use');
    return value;
  }

  #freeLarge(slot: Slot): void {
    const { length } = this.#largeValue(slot);
    this.#large[-1 - slot] = null;
    this.#freeLargeIds.push(-1 - slot);
    this.#usedBytes -= length;
    this.#reservedBytes -= length;
  }
}

function cutPage(memory: Uint8Array, sizeClass: number): Page {
  const slotBytes = slotBytesOf(sizeClass);
  const places = Math.floor(PAGE_BYTES / slotBytes);
  const lengths = new Uint32Array(places);
  return { memory, sizeClass, slotBytes, places, lengths, freed: NO_PLACE, fresh: 0, used: 0 };
}

function takePlace(page: Page): number {
  page.used += 1;
  const place = page.freed;
  if (place === NO_PLACE) {
    assert(page.fresh < page.places, 'a page that is taken from has room');
    page.fresh += 1;
    return page.fresh - 1;
  }
  page.freed = (page.lengths[place] ?? 0) & NO_PLACE;
  return place;
}

function lengthAt(page: Page, place: number): number {
  const length = page.lengths[place] ?? FREE;
  assert(place < page.fresh && length < FREE, 'the slot is in use');
  return length;
}

/** Classes 0 to 7 are 16 to 128 bytes in steps of 16; from there on four to each doubling. */
const LINEAR_CLASSES = 8;
const LINEAR_BYTES = LINEAR_CLASSES * SLOT_UNIT_BYTES;
const LINEAR_BITS = 7;
const STEPS = 4;

function sizeClassOf(length: number): number {
  if (length <= LINEAR_BYTES) return Math.max(0, Math.ceil(length / SLOT_UNIT_BYTES) - 1);
  const doubling = 31 - Math.clz32(length - 1);
  const base = 2 ** doubling;
  const step = Math.ceil((length - base) / (base / STEPS));
  return LINEAR_CLASSES + (doubling - LINEAR_BITS) * STEPS + step - 1;
}

function slotBytesOf(sizeClass: number): number {
  if (sizeClass < LINEAR_CLASSES) return (sizeClass + 1) * SLOT_UNIT_BYTES;
  const above = sizeClass - LINEAR_CLASSES;
  const base = 2 ** (LINEAR_BITS + Math.floor(above / STEPS));
  return base + ((above % STEPS) + 1) * (base / STEPS);
}
