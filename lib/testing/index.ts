/**
 * What tests need: a whole cluster in one process, the simulator that drives one from a seed, for each
 * port a suite that checks its contract, free of any runner, and time and chance that a test decides.
 *
 * @module quorate/testing
 */

export * from './checkers/linearizability/index.js';
export * from './log-storage-suite.js';
export type { NetworkTransportSuite, SuiteNetwork } from './network-transport-suite.js';
export { networkTransportSuite } from './network-transport-suite.js';
export { SeededRandom } from './seeded-random.js';
export type { CallCounts } from './simulator/clients.js';
export type { Count } from './simulator/counts.js';
export {
  CRASH_POINTS,
  type CrashPoint,
  drawFeatures,
  FAULT_KINDS,
  type FaultKind,
  type Features,
  OPERATION_KINDS,
  type OperationKind,
  type SimulatedTiming,
} from './simulator/features.js';
export {
  type SimulationOptions,
  type SimulationResult,
  simulate,
} from './simulator/simulate.js';
export { SimulationSummary } from './simulator/summary.js';
export * from './snapshot-storage-suite.js';
export * from './state-machine-suite.js';
export * from './state-storage-suite.js';
export * from './storage-engine-suite.js';
export * from './storage-ports.js';
export * from './suite.js';
export { openTestCluster, type TestCluster, type TestClusterOptions } from './test-cluster.js';
export type { TestNode } from './test-node.js';
export { VirtualClock } from './virtual-clock.js';
