/**
 * How a client reaches a server: one connection at a time, frames in both directions.
 *
 * Contract: `dial` resolves when frames can be sent, and rejects with a `QuorateError` of
 * outcome `'rejected'` when they never could; `signal` gives up. Frames arrive whole, in order, until `closed`.
 */
export interface Dialer {
  dial(address: string, options: DialOptions): Promise<FrameConnection>;
}

export interface DialOptions {
  readonly maxFrameBytes: number;
  readonly signal: AbortSignal;
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
