import { type NodeId, QuorateError } from '../../lib/base/index.js';
import type { Lane } from '../../lib/interfaces/index.js';

/** A frame that a predicate is asked about. `bytes` must not be changed or kept. */
export interface FrameInFlight {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly lane: Lane;
  readonly bytes: Uint8Array;
}

/** What goes wrong on a link, in the direction from one node to another. Shares are from 0 to 1. */
export interface LinkFaults {
  /** Share of frames that are lost, or a predicate: true loses the frame. Default 0. */
  readonly drop?: number | ((frame: FrameInFlight) => boolean) | undefined;
  /** Milliseconds under way: fixed, or drawn from [least, most). Order is kept. Default 0. */
  readonly delayMs?: number | readonly [least: number, most: number] | undefined;
  /** Share of frames that arrive twice, each with a delay of its own. Default 0. */
  readonly duplicate?: number | undefined;
  /** Share of frames that keep no order: they may overtake and be overtaken. Default 0. */
  readonly reorder?: number | undefined;
}

/** One arrival of a frame. */
export interface Arrival {
  readonly delayMs: number;
  /** Whether it waits for the frames sent before it. */
  readonly ordered: boolean;
}

const AT_ONCE: readonly Arrival[] = [{ delayMs: 0, ordered: true }];
const LOST: readonly Arrival[] = [];

/** The arrivals of one frame: none when it is lost, two when it is repeated. */
export function drawFate(
  faults: LinkFaults | null,
  frame: FrameInFlight,
  next: () => number,
): readonly Arrival[] {
  if (faults === null) return AT_ONCE;
  // Every frame takes five draws, whatever is configured: a fault that is taken away changes nothing
  // about the others, and a failing run can be shrunk.
  const [dropDraw, delayDraw, duplicateDraw, repeatDelayDraw, reorderDraw] = [
    next(),
    next(),
    next(),
    next(),
    next(),
  ];
  const drop = faults.drop ?? 0;
  if (typeof drop === 'number' ? dropDraw < drop : drop(frame)) return LOST;
  const ordered = reorderDraw >= (faults.reorder ?? 0);
  const first: Arrival = { delayMs: delayOf(faults, delayDraw), ordered };
  if (duplicateDraw >= (faults.duplicate ?? 0)) return [first];
  return [first, { delayMs: delayOf(faults, repeatDelayDraw), ordered: false }];
}

/** Throws ERR_CONFIG for a share outside [0, 1] or a delay that is no range. */
export function validateFaults(faults: LinkFaults): void {
  for (const name of ['drop', 'duplicate', 'reorder'] as const) {
    const share = faults[name];
    if (typeof share === 'number' && !(share >= 0 && share <= 1)) {
      throw new QuorateError('ERR_CONFIG', {
        message: `${name} must be from 0 to 1, not ${share}`,
      });
    }
  }
  const [least, most] = delayRange(faults);
  if (!(least >= 0 && most >= least && Number.isFinite(most))) {
    throw new QuorateError('ERR_CONFIG', {
      message: `delayMs must be [least, most] with 0 <= least <= most, not [${least}, ${most}]`,
    });
  }
}

function delayOf(faults: LinkFaults, draw: number): number {
  const [least, most] = delayRange(faults);
  return least + draw * (most - least);
}

function delayRange({ delayMs }: LinkFaults): readonly [number, number] {
  if (delayMs === undefined) return [0, 0];
  return typeof delayMs === 'number' ? [delayMs, delayMs] : delayMs;
}
