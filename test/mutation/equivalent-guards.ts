/** Mutations of cited guards that nothing can notice, by id, and why. */
export const EQUIVALENT_GUARDS: ReadonlyMap<string, string> = new Map([
  [
    'commit.advanceCommit-3',
    'it spares work: the commit index never goes back (`commitTo`), no entry lies between, and reads that ' +
      'could begin have begun',
  ],
]);
