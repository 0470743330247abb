import type { Clock } from '../../core/clock.js';
import type { Duration, NodeMetrics } from '../../core/metrics/node-metrics.js';
import type { Stores } from '../../core/stores.js';
import type { OutboundCounts } from '../outbound-overflow.js';
import {
  INSTRUMENTATION,
  type Histogram,
  type Meter,
  type Observable,
  type ObservableResult,
  type OpenTelemetryApi,
} from './open-telemetry-api.js';

/** Seconds. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BREAKER = { closed: 0, trying: 1, open: 2 } as const;

/** What is read of a node. */
export interface MeasuredNode {
  readonly metrics: NodeMetrics;
  readonly audit: { readonly droppedOf: ReadonlyMap<string, number> };
  readonly authenticator: { readonly counts: { readonly pending: number; readonly waiting: number } };
  readonly connections: { readonly size: number };
  readonly bans: { readonly size: number };
  readonly stores: Pick<Stores, 'breaker' | 'freshAt'>;
  readonly outboundCounts: Readonly<OutboundCounts>;
  readonly clock: Clock;
}

type Read = (observe: (value: number, attributes?: Record<string, string>) => void) => void;

/**
 * Shows the metrics of a node to OpenTelemetry: counts are read when somebody exports, durations are recorded as they come.
 * Without an SDK each of these is a call that does nothing.
 *
 * @returns what takes them out again
 */
export function exportMetrics(api: OpenTelemetryApi, node: MeasuredNode): () => void {
  const meter = api.metrics.getMeter(INSTRUMENTATION);
  const reads = new Map<Observable, Read>();
  const counter = (name: string, unit: string, description: string, read: Read): void =>
    void reads.set(meter.createObservableCounter(`ws_auth.${name}`, { description, unit }), read);
  const gauge = (name: string, unit: string, description: string, read: Read): void =>
    void reads.set(meter.createObservableGauge(`ws_auth.${name}`, { description, unit }), read);
  const { metrics, audit, authenticator, stores, outboundCounts } = node;

  counter('handshakes', '{handshake}', 'Handshakes that were decided', (observe) => {
    for (const [label, count] of metrics.handshakes) {
      const [outcome, reason] = label.split(' ') as [string, string];
      observe(count, { outcome, reason });
    }
  });
  counter('messages', '{message}', 'Messages that were given to a handler', (observe) =>
    observe(metrics.messages),
  );
  counter('throttled', '{message}', 'Messages over a limit', (observe) =>
    observeAll(metrics.throttled, 'limit', observe),
  );
  counter('closes', '{connection}', 'Connections that ended', (observe) =>
    observeAll(metrics.closes, 'code', observe),
  );
  counter('anomalies', '{anomaly}', 'Anomaly rules that fired', (observe) =>
    observeAll(metrics.anomalies, 'rule', observe),
  );
  counter('audit.dropped', '{event}', 'Audit events that did not reach a sink', (observe) => {
    observeAll(audit.droppedOf, 'sink', observe);
  });
  counter('outbound.lost', '{message}', 'Messages that slow readers did not get', (observe) => {
    observe(outboundCounts.dropped, { how: 'dropped' });
    observe(outboundCounts.coalesced, { how: 'coalesced' });
  });
  gauge('handshakes.pending', '{handshake}', 'Handshakes in progress', (observe) => {
    observe(authenticator.counts.pending, { state: 'deciding' });
    observe(authenticator.counts.waiting, { state: 'waiting' });
  });
  gauge('connections', '{connection}', 'Live connections', (observe) => observe(node.connections.size));
  gauge('bans', '{address}', 'Addresses that are banned', (observe) => observe(node.bans.size));
  gauge('store.breaker', '1', '0 closed, 1 trying, 2 open', (observe) => observe(BREAKER[stores.breaker]));
  gauge('revocation.staleness', 's', 'For how long nothing was heard of revocations', (observe) =>
    observe(Math.max(0, node.clock() - stores.freshAt) / 1_000),
  );

  const observables = [...reads.keys()];
  const callback = (result: ObservableResult): void => {
    for (const [instrument, read] of reads)
      read((value, attributes) => result.observe(instrument, value, attributes));
  };
  meter.addBatchObservableCallback(callback, observables);
  const stopListening = recordDurations(meter, metrics);
  return () => {
    stopListening();
    meter.removeBatchObservableCallback(callback, observables);
  };
}

function recordDurations(meter: Meter, metrics: NodeMetrics): () => void {
  const histogram = (name: string, description: string): Histogram =>
    meter.createHistogram(`ws_auth.${name}`, {
      description,
      unit: 's',
      advice: { explicitBucketBoundaries: BUCKETS },
    });
  const histograms: Readonly<Record<Duration, Histogram>> = {
    handshake: histogram('handshake.duration', 'From the request to the decision'),
    store: histogram('store.duration', 'Questions to the store'),
    revocation: histogram('revocation.lag', 'From a revocation in the store to its arrival here'),
    sweep: histogram('sweep.duration', 'The sweep of deadlines'),
  };
  return metrics.listen((duration, ms, outcome) => histograms[duration].record(ms / 1_000, { outcome }));
}

function observeAll(
  counts: ReadonlyMap<string, number>,
  label: string,
  observe: (value: number, attributes: Record<string, string>) => void,
): void {
  for (const [name, count] of counts) observe(count, { [label]: name });
}
