/** Appends one entry after another and prints the index of each that was acknowledged, until killed. */
import { storageContext } from '../../lib/testing/index.js';
import { levelStorage } from '../../storage/level/index.js';
import { entries, GROUP, IDENTITY } from './small-directory.js';

const engine = levelStorage(process.argv[2] ?? '');
await engine.open(storageContext());
await engine.initialise(IDENTITY);
const { log, state } = engine.group(GROUP);
await log.open();
await state.save({ term: 1, votedFor: null });
for (let index = 1; ; index += 1) {
  await log.append(entries(1, index, 1));
  await new Promise((resolve) => process.stdout.write(`${index}\n`, resolve));
}
