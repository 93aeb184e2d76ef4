/**
 * Time and chance: the one place where the library touches the clock of the machine, and the
 * timings a cluster can run at.
 *
 * ```
 *   TimingOptions -> resolveTiming -> Timing (milliseconds and ticks) -> lib/node, transports
 *   the machine's timers -> SystemClock -> Clock -> everything that waits
 * ```
 *
 * Nothing is decided here: what happens when a timer fires is its owner's business. Tests drive the
 * same code with `VirtualClock` and `SeededRandom` of `quorate/testing`.
 */
export * from './presets.js';
export * from './system-clock.js';
