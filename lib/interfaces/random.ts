/** Chance, injected so that a seed decides it. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `count` random bytes; unpredictable to others in production. */
  bytes(count: number): Uint8Array;
}
