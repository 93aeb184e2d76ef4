import type { Logger, Metrics, Span, Tracer } from '../interfaces/index.js';

const nothing = (): void => {};

/** Says nothing. The default. */
export const silentLogger: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
  child: () => silentLogger,
};

/** Counts nothing. The default. */
export const noMetrics: Metrics = { count: nothing, gauge: nothing, observe: nothing };

const noSpan: Span = { end: nothing };

/** Traces nothing. The default. */
export const noTracer: Tracer = { start: () => noSpan };
