import { parseArgs } from 'node:util';
import { inProcess } from './in-process.js';
import { threeProcesses } from './processes.js';

/* `npm run bench`: proposals per second. Ratios within one run say more than figures. */

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } });
const seconds = Number(values.seconds);
await inProcess(seconds);
await threeProcesses(seconds);
