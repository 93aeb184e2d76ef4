import type { Clock } from '../interfaces/index.js';
import type { Input } from '../raft/index.js';

export interface InboxOptions {
  readonly clock: Pick<Clock, 'soon'>;
  readonly onTurn: () => void;
}

/** What has come for a core since its last turn. The first of it makes a turn due, which serves it all. */
export class Inbox {
  readonly #options: InboxOptions;
  #inputs: Input[] = [];
  #lastInputs: Input[] = [];
  #turnIsDue = false;
  #stopped = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  add(input: Input): void {
    if (this.#stopped) return;
    this.#inputs.push(input);
    this.schedule();
  }

  /** For what comes after the proposals of the turn, so that it does not refuse them. */
  addLast(input: Input): void {
    if (this.#stopped) return;
    this.#lastInputs.push(input);
    this.schedule();
  }

  /** A turn is due, also where nothing stands here for it. */
  schedule(): void {
    if (this.#turnIsDue || this.#stopped) return;
    this.#turnIsDue = true;
    this.#options.clock.soon(() => {
      this.#turnIsDue = false;
      this.#options.onTurn();
    });
  }

  take(): readonly Input[] {
    return this.#inputs.splice(0);
  }

  takeLast(): readonly Input[] {
    return this.#lastInputs.splice(0);
  }

  /** Forgets everything, and takes nothing any more. */
  stop(): void {
    this.#stopped = true;
    this.#inputs = [];
    this.#lastInputs = [];
  }
}
