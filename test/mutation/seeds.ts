/**
 * Simulates the seeds that it is given, one after another, and prints a line for each: `ok SEED` or `broken
 * SEED what`. Ends after the first that is broken.
 */
import { simulate } from '../../lib/testing/index.js';

for (const seed of process.argv.slice(2)) {
  const broken = await problemOf(seed);
  console.log(broken === null ? `ok ${seed}` : `broken ${seed} ${broken.replace(/\s+/g, ' ')}`);
  // What a broken run has left may hold the process.
  if (broken !== null) process.exit(1);
}
process.exit(0);

async function problemOf(seed: string): Promise<string | null> {
  try {
    const result: object = await simulate({ seed });
    const violation = 'violation' in result ? result.violation : null;
    return violation === null ? null : String(violation);
  } catch (error) {
    return String(error);
  }
}
