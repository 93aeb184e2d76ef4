/**
 * What tests need: for each port a suite that checks its contract, free of any runner, and time and
 * chance that a test decides.
 */
export { networkTransportSuite } from './network-transport-suite.js';
export type { NetworkTransportSuite, SuiteNetwork } from './network-transport-suite.js';
export { SeededRandom } from './seeded-random.js';
export { VirtualClock } from './virtual-clock.js';
