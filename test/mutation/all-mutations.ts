import { readdirSync, readFileSync } from 'node:fs';
import { citedGuards } from './cited-guards.js';
import { EQUIVALENT_GUARDS } from './equivalent-guards.js';
import { type PlacedMutation, placed } from './mutation.js';
import { MUTATIONS } from './mutations.js';

/** Where guards carry citations. */
const CORE = 'lib/raft';

/** Every mutation, with its place. From the sources in the working directory; throws for one that is stale. */
export function allMutations(): readonly PlacedMutation[] {
  const texts = new Map<string, string>();
  const textOf = (file: string): string => {
    const text = texts.get(file) ?? readFileSync(file, 'utf8');
    texts.set(file, text);
    return text;
  };
  const files = readdirSync(CORE).sort();
  return [
    ...MUTATIONS.map((mutation) => placed(mutation, textOf(mutation.file))),
    ...files.flatMap((name) => {
      const file = `${CORE}/${name}`;
      return citedGuards(file, textOf(file), EQUIVALENT_GUARDS);
    }),
  ];
}
