/**
 * What tests need: for each port a suite that checks its contract, free of any runner.
 */
export { networkTransportSuite } from './network-transport-suite.js';
export type { NetworkTransportSuite, SuiteNetwork } from './network-transport-suite.js';
