import type { NodeSettings } from './options.js';

/** Between two lines that name a timing. */
const TELL_MS = 60_000;

/** Tells of an event loop that was held for too long, and which timing would bear it. */
export class LoopDelays {
  readonly #settings: NodeSettings;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(settings: NodeSettings) {
    this.#settings = settings;
  }

  /** Held for more than half of the shortest election timeout. */
  delayed(heldMs: number): void {
    const { id: nodeId, events, logger, clock, timing } = this.#settings;
    events.emit('timer.loopDelayed', () => ({ nodeId, group: null, heldMs }));
    if (clock.now() - this.#toldMs < TELL_MS) return;
    this.#toldMs = clock.now();
    const least = Math.ceil((4 * heldMs) / 100) * 100;
    logger.warn(
      { event: 'timer.loopDelayed', nodeId, heldMs: Math.round(heldMs) },
      `The event loop was held for ${Math.round(heldMs)} ms, more than half of the shortest election ` +
        `timeout (${timing.electionTimeoutMinMs} ms). This would hold: timing: { heartbeatMs: ` +
        `${least / 4}, electionTimeoutMinMs: ${least}, electionTimeoutMaxMs: ${2 * least} }.`,
    );
  }
}
