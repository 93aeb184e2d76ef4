import { DRIVER } from './lists/driver.js';
import { ELECTIONS } from './lists/elections.js';
import { MEMBERS } from './lists/members.js';
import { READS } from './lists/reads.js';
import { REPLICATION } from './lists/replication.js';
import { STORAGE } from './lists/storage.js';
import type { Mutation } from './mutation.js';

/** All that are written by hand, those of the catalogue first, in the order of their ids. */
export const MUTATIONS: readonly Mutation[] = [
  ...ELECTIONS,
  ...REPLICATION,
  ...READS,
  ...MEMBERS,
  ...DRIVER,
  ...STORAGE,
].sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));

function rank({ id }: Mutation): number {
  return Number.parseInt(id.slice(1), 10) + (id.startsWith('M') ? 0 : 1000);
}
