/** Spans around calls, shaped so that an OpenTelemetry tracer takes ten lines to adapt. */
export interface Tracer {
  /** Begins a span. `attributes` hold no values of users. */
  start(name: string, attributes?: Readonly<Record<string, string | number>>): Span;
}

/** One span. `end` is called exactly once; an `error` marks it failed. */
export interface Span {
  /** Ends the span. */
  end(error?: unknown): void;
}
