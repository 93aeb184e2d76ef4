/** A mistake that is made on purpose, to see whether anything notices it. */
export interface Mutation {
  /** `M…` of the catalogue of mistakes that others have made, `Q…` our own. */
  readonly id: string;
  /** What is wrong with it, in words. */
  readonly bug: string;
  /** Where it was seen in the world; null for one of our own. */
  readonly seen: string | null;
  /** The source, from the top of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Tests that should notice, `raft/paper` for `dist/test/raft/paper.test.js`, the likeliest first. */
  readonly tests: readonly string[];
  /** Why nothing can notice it. It is tried all the same. */
  readonly equivalent?: string | undefined;
}

/** A mutation whose place in the text is known: [from, to) is replaced. */
export interface PlacedMutation extends Omit<Mutation, 'find'> {
  readonly from: number;
  readonly to: number;
}

/** Finds the place in the text of the file. Throws where there is none, or more than one. */
export function placed(mutation: Mutation, text: string): PlacedMutation {
  const { find, ...rest } = mutation;
  const from = text.indexOf(find);
  const isOnlyOne = from >= 0 && !text.includes(find, from + 1);
  if (isOnlyOne) return { ...rest, from, to: from + find.length };
  const count = text.split(find).length - 1;
  const where = `${count} times in ${mutation.file}`;
  throw new Error(`mutation ${mutation.id} is stale: its text stands ${where}, not once`);
}

/** The text of the file with the mistake. */
export function mutatedText({ from, to, replace }: PlacedMutation, text: string): string {
  return text.slice(0, from) + replace + text.slice(to);
}
