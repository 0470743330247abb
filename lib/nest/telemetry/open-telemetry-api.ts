import { WsAuthOptionsError } from '../../core/errors.js';

/*
 * What is used of @opentelemetry/api. Structural, so that the declarations of this package import nothing that is optional.
 */

export type Attributes = Record<string, string | number>;

/** A span, as far as one is made here. */
export interface Span {
  spanContext(): { readonly traceId: string; readonly spanId: string };
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

/** Opaque. */
export type Context = object;

export interface Histogram {
  record(value: number, attributes?: Attributes): void;
}

/** An instrument that is read when somebody exports. */
export type Observable = object;

export interface ObservableResult {
  observe(instrument: Observable, value: number, attributes?: Attributes): void;
}

interface InstrumentOptions {
  description: string;
  unit: string;
  advice?: { explicitBucketBoundaries: number[] };
}

export interface Meter {
  createHistogram(name: string, options: InstrumentOptions): Histogram;
  createObservableCounter(name: string, options: InstrumentOptions): Observable;
  createObservableGauge(name: string, options: InstrumentOptions): Observable;
  addBatchObservableCallback(
    callback: (result: ObservableResult) => void,
    observables: readonly Observable[],
  ): void;
  removeBatchObservableCallback(
    callback: (result: ObservableResult) => void,
    observables: readonly Observable[],
  ): void;
}

export interface OpenTelemetryApi {
  readonly context: {
    active(): Context;
    with<T>(context: Context, work: () => T): T;
  };
  readonly propagation: { extract(context: Context, carrier: object): Context };
  readonly trace: {
    getTracer(name: string): {
      startSpan(name: string, options: { kind: number; attributes: Attributes }, context: Context): Span;
    };
    setSpan(context: Context, span: Span): Context;
    isSpanContextValid(spanContext: { readonly traceId: string; readonly spanId: string }): boolean;
  };
  readonly metrics: { getMeter(name: string): Meter };
}

/** The name of this library in metrics and traces. */
export const INSTRUMENTATION = 'nestjs-ws-auth';

/**
 * Loads the API where it is installed and wanted.
 *
 * @param wanted the option `telemetry`: `true` when it must be there, `false` when not even that is asked
 * @throws {WsAuthOptionsError} when it must be there and is not
 */
export async function loadOpenTelemetry(wanted: boolean | undefined): Promise<OpenTelemetryApi | undefined> {
  if (wanted === false) return undefined;
  try {
    return (await import('@opentelemetry/api' as string)) as OpenTelemetryApi;
  } catch (error) {
    if (!wanted) return undefined;
    throw new WsAuthOptionsError([
      `option "telemetry" needs the package @opentelemetry/api: npm install @opentelemetry/api (${error instanceof Error ? error.message.split('\n')[0] : 'it cannot be loaded'})`,
    ]);
  }
}
