import { assert } from '../../base/index.js';

/** Names a stored record: an integer of 32 bits, reused after `free`. */
export type Slot = number;

/** Memory of a store's records. */
export interface SlabUsage {
  /** Bytes of the records themselves, with keys and values. */
  readonly usedBytes: number;
  /** Bytes taken from the runtime for them. */
  readonly reservedBytes: number;
  readonly slotCount: number;
}

/** Memory that slots lie in, to be read and written at their offsets. */
export interface Region {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/**
 * Keeps records by slot, so that many records are few objects to the garbage collector.
 *
 * Contract: `take` gives `length` bytes, whatever they hold, that belong to the slot until it is freed.
 * A slot is freed once; memory of freed slots is reused, and given back when a whole page is free.
 */
export interface Slabs {
  take(length: number): Slot;
  /** Where the slot lies, with others: from `offset(slot)` on, `length(slot)` bytes are its own. */
  region(slot: Slot): Region;
  offset(slot: Slot): number;
  length(slot: Slot): number;
  free(slot: Slot): void;
  usage(): SlabUsage;
}

const PAGE_BYTES = 256 * 1024;
const SLOT_UNIT_BYTES = 16;
/** Records up to this share pages; larger ones have memory of their own. */
const MAX_SHARED_BYTES = PAGE_BYTES / 4;
/** Slots of the smallest class in one page: a slot is page * this + place. */
const PLACES = PAGE_BYTES / SLOT_UNIT_BYTES;
/** So that slots are integers of 32 bits, which arrays hold without an object for each: 32 GiB. */
const MAX_PAGES = 2 ** 31 / PLACES;
/** In `lengths`: the place is free, and the lower bits are the next free place. */
const FREE = 0x8000_0000;
const NO_PLACE = FREE - 1;

/** One page, cut into slots of one size. */
interface Page {
  readonly region: Region;
  readonly sizeClass: number;
  readonly slotBytes: number;
  readonly places: number;
  /** By place: the record's length, or FREE and the next free place. */
  readonly lengths: Uint32Array;
  /** Head of the list of freed places, or NO_PLACE. */
  freed: number;
  /** Places from here on were never used. */
  fresh: number;
  /** 0 <= used <= fresh <= places. */
  used: number;
}

/** Slabs in pages of 256 KiB, each cut into slots of one size; a slot wastes at most a fifth. */
export class ArenaSlabs implements Slabs {
  readonly #pages: (Page | null)[] = [];
  readonly #freePageIds: number[] = [];
  /** By size class: ids of pages with a free place; the last one is filled next. */
  readonly #roomy: number[][] = [];
  readonly #large: (Region | null)[] = [];
  readonly #freeLargeIds: number[] = [];
  /** One empty page is kept: a store that breathes at a page's edge does not allocate each time. */
  #spare: Region | null = null;
  #usedBytes = 0;
  #reservedBytes = 0;
  #slotCount = 0;

  take(length: number): Slot {
    this.#usedBytes += length;
    this.#slotCount += 1;
    if (length > MAX_SHARED_BYTES) return this.#takeLarge(length);
    const sizeClass = sizeClassOf(length);
    const id = this.#roomy[sizeClass]?.at(-1) ?? this.#addPage(sizeClass);
    const page = this.#page(id);
    const place = takePlace(page);
    page.lengths[place] = length;
    if (page.used === page.places) this.#roomy[sizeClass]?.pop();
    return id * PLACES + place;
  }

  region(slot: Slot): Region {
    return slot < 0 ? this.#largeRegion(slot) : this.#page(pageOf(slot)).region;
  }

  offset(slot: Slot): number {
    return slot < 0 ? 0 : placeOf(slot) * this.#page(pageOf(slot)).slotBytes;
  }

  length(slot: Slot): number {
    if (slot < 0) return this.#largeRegion(slot).bytes.length;
    return lengthAt(this.#page(pageOf(slot)), placeOf(slot));
  }

  free(slot: Slot): void {
    this.#slotCount -= 1;
    if (slot < 0) {
      this.#freeLarge(slot);
      return;
    }
    const place = placeOf(slot);
    const id = pageOf(slot);
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
    const region = this.#spare ?? newRegion(PAGE_BYTES);
    if (this.#spare === null) this.#reservedBytes += PAGE_BYTES;
    this.#spare = null;
    const id = this.#freePageIds.pop() ?? this.#pages.length;
    assert(id < MAX_PAGES, 'a slot is an integer of 32 bits');
    this.#pages[id] = cutPage(region, sizeClass);
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
    if (this.#spare === null) this.#spare = page.region;
    else this.#reservedBytes -= PAGE_BYTES;
  }

  #takeLarge(length: number): Slot {
    const id = this.#freeLargeIds.pop() ?? this.#large.length;
    this.#large[id] = newRegion(length);
    this.#reservedBytes += length;
    return -1 - id;
  }

  #largeRegion(slot: Slot): Region {
    const region = this.#large[-1 - slot];
    assert(region !== null && region !== undefined, 'the slot is in use');
    return region;
  }

  #freeLarge(slot: Slot): void {
    const { length } = this.#largeRegion(slot).bytes;
    this.#large[-1 - slot] = null;
    this.#freeLargeIds.push(-1 - slot);
    this.#usedBytes -= length;
    this.#reservedBytes -= length;
  }
}

function newRegion(length: number): Region {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}

function pageOf(slot: Slot): number {
  return Math.floor(slot / PLACES);
}

function placeOf(slot: Slot): number {
  return slot % PLACES;
}

function cutPage(region: Region, sizeClass: number): Page {
  const slotBytes = slotBytesOf(sizeClass);
  const places = Math.floor(PAGE_BYTES / slotBytes);
  const lengths = new Uint32Array(places);
  return { region, sizeClass, slotBytes, places, lengths, freed: NO_PLACE, fresh: 0, used: 0 };
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
