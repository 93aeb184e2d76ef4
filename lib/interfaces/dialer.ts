/**
 * How a client reaches a server: one connection at a time, frames in both directions.
 *
 * Contract: `dial` resolves when frames can be sent, and rejects with a `QuorateError` of
 * outcome `'rejected'` when they never could; `signal` gives up. Frames arrive whole, in order, until `closed`.
 */
export interface Dialer {
  /** Resolves when frames can be sent; `address` is `host:port`. */
  dial(address: string, options: DialOptions): Promise<FrameConnection>;
}

/** What a connection is given when it is dialled. */
export interface DialOptions {
  /** The longest frame, in bytes, that either side may send. */
  readonly maxFrameBytes: number;
  /** Gives up dialling. */
  readonly signal: AbortSignal;
  /** Called with each frame, in order. */
  readonly onFrame: (frame: Uint8Array) => void;
  /** Called once, also when `close` was called. */
  readonly onClose: (reason: string) => void;
}

/** One connection. */
export interface FrameConnection {
  /** False when the connection is gone or its queue is full; nothing was sent then. */
  send(frame: Uint8Array): boolean;
  /** May be called twice. */
  close(): void;
}
