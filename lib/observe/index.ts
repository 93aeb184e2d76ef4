/**
 * Loggers, metrics and tracers to begin with. The library speaks through the ports `Logger`,
 * `Metrics` and `Tracer`; unless told otherwise it is silent, counts nothing and traces nothing.
 *
 * ```
 *   lib/node, lib/server, transports, storage --Logger.warn(fields, message)--> LineLogger --write(line)--> anywhere
 * ```
 *
 * Nothing here opens a file or a stream: whoever composes the process hands in where lines go.
 */
export * from './function-logger.js';
export * from './line-logger.js';
export * from './memory-metrics.js';
export { count, METRICS, type MetricName } from './metric-names.js';
export * from './silent.js';
