import type { Limits } from 'quorate';
import type { NodeStatus } from 'quorate/interfaces';
import type { LoadResult } from './load.js';

/** What a member process is started with. */
export interface MemberSettings {
  readonly id: string;
  /** Id to peer address. A new member that no other lists waits until it is added. */
  readonly members: Readonly<Record<string, string>>;
  /** Where clients are served. */
  readonly clientAddress: string;
  readonly folder: string;
  readonly limits?: Partial<Limits>;
}

/** What a member process is told over IPC. */
export type Order =
  | { readonly kind: 'ready' }
  | { readonly kind: 'load'; readonly inFlight: number; readonly seconds: number }
  /** With `collect`, garbage is collected before memory is measured. */
  | { readonly kind: 'look'; readonly collect: boolean }
  | { readonly kind: 'close' };

/** What it answers, by the kind of the order. */
export interface Answers {
  readonly ready: { readonly role: string };
  readonly load: { readonly result: LoadResult; readonly counts: Counts };
  readonly look: Look;
  readonly close: null;
}

/** Metrics and events by their names. */
export type Counts = readonly (readonly [name: string, count: number])[];

/** A member at one moment. */
export interface Look {
  readonly status: NodeStatus;
  readonly residentBytes: number;
  /** The heap, and what it holds outside of it. */
  readonly heapBytes: number;
  /** Since it was started, or since the last load. */
  readonly counts: Counts;
  /** The snapshot that was installed last. */
  readonly installed: { readonly index: number; readonly sizeBytes: number } | null;
}

/** One way over IPC; answers carry the number of their order. */
export interface NumberedOrder {
  readonly number: number;
  readonly order: Order;
}

/** The other way. Number 0 is said once, when the member serves. */
export interface NumberedAnswer<T = unknown> {
  readonly number: number;
  readonly answer: T;
  readonly failure?: string;
}
