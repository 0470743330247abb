import type { IncomingHttpHeaders } from 'node:http';

/** How a handshake has ended, for its span. */
export interface TraceEnding {
  readonly outcome: 'success' | 'refused';
  /** Of a fixed set. */
  readonly reason: string;
  readonly status?: number;
  readonly closeCode?: number;
  /** The path of the gateway, as its developer has written it. */
  readonly path?: string;
  /** The kind of credential. */
  readonly method?: string;
}

/** The trace that a handshake is part of, while it lasts and for the messages of its socket. */
export interface HandshakeTrace {
  /** Runs something as a part of this trace. */
  run<T>(work: () => T): T;
  /** Ends the span of the handshake. Later calls change nothing. */
  end(ending: TraceEnding): void;
}

/** Begins the trace of a handshake, from the trace context in its headers. */
export interface HandshakeTracing {
  /** @returns nothing when nobody records or passes on traces */
  start(headers: IncomingHttpHeaders, correlationId: string): HandshakeTrace | undefined;
}
