import { EventEmitter } from 'eventemitter3';
import type { EventBus, EventName, NodeEvents } from '../interfaces/index.js';

/** Where a bus hands what must not be lost. Neither may throw. */
export interface EventBusHandlers {
  /** A listener of `name` threw, or returned a promise that rejected. */
  readonly onListenerError: (error: unknown, name: EventName) => void;
  /** A node stopped on a fault, and nobody listened to `raft.faulted`. */
  readonly onUnobservedFault: (event: NodeEvents['raft.faulted']) => void;
}

/** The event bus of a process, on `eventemitter3`. It may serve any number of nodes. */
export class EmitterEventBus implements EventBus {
  readonly #emitter = new EventEmitter<string>();
  readonly #handlers: EventBusHandlers;

  constructor(handlers: EventBusHandlers) {
    this.#handlers = handlers;
  }

  on<N extends EventName>(name: N, listener: (event: NodeEvents[N]) => void): () => void {
    let isOn = true;
    // A wrapper of its own for each call, so that the same function may be added twice and each
    // removal takes away its own.
    const guarded = (event: NodeEvents[N]): void => {
      // The emitter still visits a listener that an earlier one has just removed.
      if (isOn) this.#call(name, listener, event);
    };
    this.#emitter.on(name, guarded);
    return () => {
      isOn = false;
      this.#emitter.off(name, guarded);
    };
  }

  emit<N extends EventName>(name: N, build: () => NodeEvents[N]): boolean {
    if (this.#emitter.listenerCount(name) > 0) return this.#emitter.emit(name, build());
    if (isFault(name)) this.#reportFault(build);
    return false;
  }

  #reportFault(build: () => NodeEvents[EventName]): void {
    const event = build();
    if ('error' in event) this.#handlers.onUnobservedFault(event);
  }

  #call<N extends EventName>(
    name: N,
    listener: (event: NodeEvents[N]) => void,
    event: NodeEvents[N],
  ): void {
    try {
      // The type asks for nothing in return, but allows an async function.
      const returned: unknown = listener(event);
      if (returned instanceof Promise) {
        returned.catch((error: unknown) => this.#handlers.onListenerError(error, name));
      }
    } catch (error) {
      this.#handlers.onListenerError(error, name);
    }
  }
}

function isFault(name: EventName): boolean {
  return name === 'raft.faulted';
}
