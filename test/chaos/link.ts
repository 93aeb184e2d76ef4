/** What is wrong with the way from one node to another. The way back is a link of its own. */
export class Link {
  /** Bytes that came while it was cut. */
  heldBytes = 0;
  /** Pieces that went on later than they came. */
  delayedPieces = 0;
  /** Connections that were reset in the middle of a frame. */
  resets = 0;
  readonly #flows = new Set<() => void>();
  #cuts = 0;
  #delayMs = 0;
  #isResetArmed = false;

  get isCut(): boolean {
    return this.#cuts > 0;
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  get isResetArmed(): boolean {
    return this.#isResetArmed;
  }

  /** Nothing gets through until it is mended as often as it was cut: what is sent meanwhile comes then. */
  cut(): void {
    this.#cuts += 1;
  }

  mend(): void {
    this.#cuts -= 1;
    for (const goOn of this.#flows) goOn();
  }

  /** Every piece comes so much later; 0 ends it. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** The next connection that is in the middle of a frame is reset there. */
  armReset(): void {
    this.#isResetArmed = true;
  }

  disarmReset(): void {
    this.#isResetArmed = false;
  }

  /** `goOn` is called when the link is mended, until what is answered is called. */
  join(goOn: () => void): () => void {
    this.#flows.add(goOn);
    return () => void this.#flows.delete(goOn);
  }
}
