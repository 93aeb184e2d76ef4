import { readFileSync } from 'node:fs';
import {
  constants,
  PerformanceObserver,
  type PerformanceObserverEntryList,
  performance,
} from 'node:perf_hooks';

/** A time in which nothing else could run, from `startMs` to `endMs` of `performance.now()`. */
interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

interface Gap extends Span {
  /** Processor time of this thread in it, collections included; infinite where the system does not say. */
  readonly ranMs: number;
}

interface Collection extends Span {
  readonly kind: number;
}

/** How one phase held the event loop. */
export interface HoldReport {
  /** Longest time outside garbage collection in which a timer that was due did not run. */
  readonly longestMs: number;
  /** The same, but no more than the processor time that the thread had: what others took is left out. */
  readonly longestOwnMs: number;
  readonly collections: readonly {
    readonly kind: string;
    readonly count: number;
    readonly longestMs: number;
    readonly totalMs: number;
  }[];
}

const PROBE_MS = 1;
/** Gaps below this are not worth remembering. */
const MIN_GAP_MS = 2;

const KINDS: readonly (readonly [number, string])[] = [
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weak callbacks'],
];

/**
 * Watches the event loop by a timer of a millisecond, beside the collections that Node reports, so
 * that what a collection took is not blamed on the code that ran when it came.
 */
export class HoldProbe {
  readonly #gaps: Gap[] = [];
  readonly #collections: Collection[] = [];
  readonly #observer = new PerformanceObserver((list) => this.#note(list.getEntries()));
  #timer: NodeJS.Timeout | null = null;
  #seenMs = performance.now();
  #ranMs = processorMs();

  start(): void {
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#probe();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#observer.disconnect();
  }

  /** What happened from `startMs` to `endMs`. */
  async report(startMs: number, endMs: number): Promise<HoldReport> {
    // Collections are reported a turn or two after they took place.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const within = <S extends Span>(spans: readonly S[]): S[] =>
      spans.filter((span) => span.endMs > startMs && span.startMs < endMs);
    const collections = within(this.#collections);
    let longestMs = 0;
    let longestOwnMs = 0;
    for (const gap of within(this.#gaps)) {
      const heldMs = gap.endMs - gap.startMs - overlapMs(gap, collections);
      longestMs = Math.max(longestMs, heldMs);
      longestOwnMs = Math.max(longestOwnMs, Math.min(heldMs, gap.ranMs));
    }
    return { longestMs, longestOwnMs, collections: byKind(collections) };
  }

  #probe(): void {
    const nowMs = performance.now();
    const ranMs = processorMs();
    const startMs = this.#seenMs + PROBE_MS;
    if (nowMs - startMs > MIN_GAP_MS) {
      const ran = Number.isFinite(ranMs) ? ranMs - this.#ranMs : ranMs;
      this.#gaps.push({ startMs, endMs: nowMs, ranMs: ran });
    }
    this.#seenMs = nowMs;
    this.#ranMs = ranMs;
    this.#timer = setTimeout(() => this.#probe(), PROBE_MS);
  }

  #note(entries: ReturnType<PerformanceObserverEntryList['getEntries']>): void {
    for (const entry of entries) {
      const { startTime: startMs, duration } = entry;
      const kind = 'detail' in entry ? kindOf(entry.detail) : 0;
      this.#collections.push({ startMs, endMs: startMs + duration, kind });
    }
  }
}

function kindOf(detail: unknown): number {
  const isNamed = typeof detail === 'object' && detail !== null && 'kind' in detail;
  return isNamed && typeof detail.kind === 'number' ? detail.kind : 0;
}

/** How much of `gap` collections took; they can stand one inside the other. */
function overlapMs(gap: Span, collections: readonly Span[]): number {
  let covered = 0;
  let untilMs = gap.startMs;
  for (const { startMs, endMs } of collections.toSorted((a, b) => a.startMs - b.startMs)) {
    const from = Math.max(startMs, untilMs);
    const to = Math.min(endMs, gap.endMs);
    if (to <= from) continue;
    covered += to - from;
    untilMs = to;
  }
  return covered;
}

function byKind(collections: readonly Collection[]): HoldReport['collections'] {
  return KINDS.flatMap(([number, kind]) => {
    const tookMs = collections
      .filter((collection) => collection.kind === number)
      .map(({ startMs, endMs }) => endMs - startMs);
    if (tookMs.length === 0) return [];
    const totalMs = tookMs.reduce((sum, ms) => sum + ms, 0);
    const longestMs = tookMs.reduce((most, ms) => Math.max(most, ms), 0);
    return [{ kind, count: tookMs.length, longestMs, totalMs }];
  });
}

/** Processor time that this thread has had; Linux says it. */
function processorMs(): number {
  try {
    const [ranNs = ''] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
    return Number(ranNs) / 1e6;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
