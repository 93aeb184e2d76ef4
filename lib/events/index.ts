/**
 * Telling users what happens in a node, without letting them change it.
 *
 * ```
 *   lib/node, lib/server --emit(name, build)--> EmitterEventBus --> listeners
 *                                                     |
 *                                     a listener threw, or nobody saw a fault
 *                                                     v
 *                                           the handlers it was given
 * ```
 *
 * It keeps no history, filters nothing and steers nothing: an event that nobody listens to is never
 * built. The names and payloads stand in `lib/interfaces/event-bus.ts`.
 */
export * from './emitter-event-bus.js';
