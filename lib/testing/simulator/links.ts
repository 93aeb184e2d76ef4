import type { MemoryNetwork } from '../../../transports/memory/index.js';
import { assert, type NodeId } from '../../base/index.js';
import type { Lane } from '../../interfaces/index.js';
import type { SeededRandom } from '../seeded-random.js';
import type { VirtualClock } from '../virtual-clock.js';
import type { Features } from './features.js';
import type { Hold } from './wire.js';

/** Something wrong with links, until it is ended. */
export interface LinkFault {
  /** Whether a frame was affected. */
  readonly hasHappened: boolean;
  end(): void;
}

export interface LinksOptions {
  readonly network: MemoryNetwork;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly features: Features['network'];
  readonly onHeld: () => void;
}

interface Fault {
  readonly links: ReadonlySet<string>;
  readonly kind: 'cut' | 'clog' | 'lossy' | 'slow';
  hasHappened: boolean;
}

interface Link {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly random: SeededRandom;
  /** What waits for the clog to end. */
  readonly waiting: (() => void)[];
  faults: readonly Fault[];
}

const LOSSY_SHARE = 0.5;
/** A slow link takes so many times as long. */
const SLOWNESS = 20;

/** What is wrong with the network: a base that holds as long as faults may happen, and faults of links. */
export class Links {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, Link>();
  readonly #faults = new Set<Fault>();
  #hasBase = false;

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  /** Whether frames are lost, repeated and held as the features say. */
  set hasBase(on: boolean) {
    this.#hasBase = on;
    this.#applyAll();
  }

  begin(kind: Fault['kind'], pairs: readonly (readonly [from: NodeId, to: NodeId])[]): LinkFault {
    const links = new Set(pairs.map(([from, to]) => this.#link(from, to)));
    const names = new Set([...links].map(({ from, to }) => `${from}>${to}`));
    const fault: Fault = { links: names, kind, hasHappened: false };
    this.#faults.add(fault);
    for (const link of links) this.#change(link, [...link.faults, fault]);
    return {
      get hasHappened() {
        return fault.hasHappened;
      },
      end: () => {
        if (!this.#faults.delete(fault)) return;
        for (const link of links) {
          this.#change(
            link,
            link.faults.filter((one) => one !== fault),
          );
        }
      },
    };
  }

  /** Whether somebody does not hear somebody. */
  get isCut(): boolean {
    return [...this.#faults].some(({ kind }) => kind === 'cut');
  }

  /** Ends every fault. */
  heal(): void {
    this.#faults.clear();
    for (const link of this.#links.values()) this.#change(link, []);
  }

  /** What becomes of a frame. */
  fate(from: NodeId, to: NodeId, _lane: Lane): 'send' | 'drop' | Hold {
    const link = this.#link(from, to);
    const { held, heldMs } = this.#options.features;
    for (const fault of link.faults) fault.hasHappened = true;
    const isHeld = held > 0 && link.random.chance(held) && this.#hasBase;
    if (isHeld) {
      this.#options.onHeld();
      const delayMs = link.random.below(heldMs * 1000) / 1000;
      return { until: (go) => void this.#options.clock.after(delayMs, go) };
    }
    if (link.faults.some(({ kind }) => kind === 'clog')) {
      if (link.waiting.length >= MAX_CLOGGED) return 'drop';
      return { until: (go) => void link.waiting.push(go) };
    }
    return 'send';
  }

  #change(link: Link, faults: readonly Fault[]): void {
    const { network, clock } = this.#options;
    const has = (kind: Fault['kind'], among: readonly Fault[]): boolean => {
      return among.some((fault) => fault.kind === kind);
    };
    const wasCut = has('cut', link.faults);
    link.faults = faults;
    if (!wasCut && has('cut', faults)) network.cutOneWay(link.from, link.to);
    if (wasCut && !has('cut', faults)) {
      network.restore(link.from, link.to);
      // What is restored is both directions.
      const back = this.#link(link.to, link.from);
      if (has('cut', back.faults)) network.cutOneWay(back.from, back.to);
    }
    if (!has('clog', faults)) for (const go of link.waiting.splice(0)) clock.soon(go);
    this.#apply(link);
  }

  #applyAll(): void {
    for (const link of this.#links.values()) this.#apply(link);
  }

  #apply(link: Link): void {
    const { delayMs, loss, duplicate, reorder } = this.#options.features;
    const isLossy = link.faults.some(({ kind }) => kind === 'lossy');
    const factor = link.faults.some(({ kind }) => kind === 'slow') ? SLOWNESS : 1;
    const [least, most] = delayMs;
    const base = this.#hasBase ? { duplicate, reorder } : {};
    const drop = isLossy ? LOSSY_SHARE : this.#hasBase ? loss : 0;
    this.#options.network.setFaults(
      { ...base, drop, delayMs: [least * factor, most * factor] },
      { from: link.from, to: link.to },
    );
  }

  #link(from: NodeId, to: NodeId): Link {
    assert(from !== to, 'a link is between two nodes');
    const name = `${from}>${to}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { from, to, random: this.#options.random.fork(name), waiting: [], faults: [] };
      this.#links.set(name, link);
      this.#apply(link);
    }
    return link;
  }
}

/** Frames that a clogged link holds. */
const MAX_CLOGGED = 10_000;
