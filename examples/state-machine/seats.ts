import { defineStateMachine, type TypedStateMachine } from 'quorate';

export interface Book {
  readonly seat: string;
  readonly guest: string;
}

export interface Booked {
  /** Who has the seat now: the guest, or whoever came first. */
  readonly holder: string;
}

/** `count`: how many seats are sold. */
export type Question =
  | { readonly kind: 'holder'; readonly seat: string }
  | { readonly kind: 'count' };

/** Who sits where. Never changed in place: every command makes the next one. */
type Seats = Readonly<Record<string, string>>;

const EMPTY: Seats = {};

/**
 * Seats of a theatre, each sold once. The reducer is plain data in, plain data out: no clock, no
 * chance, no I/O, so that every node comes to the same result.
 */
export function seatsMachine(): TypedStateMachine<Book, Booked, Question, string | number | null> {
  return defineStateMachine({
    initial: EMPTY,
    apply: (seats, { seat, guest }) => {
      const holder = seats[seat] ?? guest;
      return { state: { ...seats, [seat]: holder }, result: { holder } };
    },
    query: (seats, question) =>
      question.kind === 'count' ? Object.keys(seats).length : (seats[question.seat] ?? null),
  });
}
