import type { IncomingHttpHeaders } from 'node:http';
import type { HandshakeTrace, HandshakeTracing, TraceEnding } from '../../core/metrics/handshake-trace.js';
import { INSTRUMENTATION, type Context, type OpenTelemetryApi, type Span } from './open-telemetry-api.js';

/** SpanKind.SERVER */
const SERVER = 1;
/** SpanStatusCode.ERROR */
const ERROR = 2;

/** A span for each handshake, below the one that the client names in `traceparent`. */
export class HandshakeSpans implements HandshakeTracing {
  readonly #api: OpenTelemetryApi;

  constructor(api: OpenTelemetryApi) {
    this.#api = api;
  }

  start(headers: IncomingHttpHeaders, correlationId: string): HandshakeTrace | undefined {
    try {
      return this.#start(headers, correlationId);
    } catch {
      // A propagator or a sampler of the application's that throws costs the trace, and no handshake.
      return undefined;
    }
  }

  #start(headers: IncomingHttpHeaders, correlationId: string): HandshakeTrace | undefined {
    const { context, propagation, trace } = this.#api;
    const parent = propagation.extract(context.active(), headers);
    const span = trace.getTracer(INSTRUMENTATION).startSpan(
      'ws_auth.handshake',
      {
        kind: SERVER,
        attributes: { 'http.request.method': 'GET', 'ws_auth.correlation_id': correlationId },
      },
      parent,
    );
    if (!trace.isSpanContextValid(span.spanContext())) return undefined;
    return new HandshakeSpan(this.#api, span, trace.setSpan(parent, span));
  }
}

class HandshakeSpan implements HandshakeTrace {
  readonly #api: OpenTelemetryApi;
  readonly #context: Context;
  #span: Span | undefined;

  constructor(api: OpenTelemetryApi, span: Span, context: Context) {
    this.#api = api;
    this.#span = span;
    this.#context = context;
  }

  run<T>(work: () => T): T {
    return this.#api.context.with(this.#context, work);
  }

  end(ending: TraceEnding): void {
    const span = this.#span;
    if (!span) return;
    this.#span = undefined;
    try {
      finish(span, ending);
    } catch {
      // Likewise: it is ended while a connection opens.
    }
  }
}

function finish(span: Span, { outcome, reason, status, closeCode, path, method }: TraceEnding): void {
  span.setAttributes({
    'ws_auth.outcome': outcome,
    'ws_auth.reason': reason,
    ...(status === undefined ? {} : { 'http.response.status_code': status }),
    ...(closeCode === undefined ? {} : { 'ws_auth.close_code': closeCode }),
    ...(path === undefined ? {} : { 'http.route': path }),
    ...(method === undefined ? {} : { 'ws_auth.method': method }),
  });
  // A refusal is the client's; what is a fault of the server is an error.
  if ((status ?? 0) >= 500 || closeCode === 1011 || closeCode === 1013)
    span.setStatus({ code: ERROR, message: reason });
  span.end();
}
