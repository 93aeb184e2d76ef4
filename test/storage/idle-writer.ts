/** Appends, and neither waits for the end of it nor closes anything. */
import { storageContext } from '../../lib/testing/index.js';
import { walStorage } from '../../storage/wal/index.js';
import { entries, GROUP, IDENTITY } from './small-directory.js';

const engine = walStorage(process.argv[2] ?? '');
await engine.open(storageContext());
await engine.initialise(IDENTITY);
const { log } = engine.group(GROUP);
await log.open();
log.append(entries(1, 1, 1)).then(() => process.stdout.write('durable\n'));
