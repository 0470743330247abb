import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../../lib/core/audit/audit-event.js';
import { NodeMetrics } from '../../../lib/core/metrics/node-metrics.js';

function metricsOf(...records: Partial<AuditRecord>[]): NodeMetrics {
  const metrics = new NodeMetrics();
  for (const record of records)
    metrics.note({
      event: 'authn_login_fail',
      outcome: 'refused',
      reasonCode: 'token_signature',
      correlationId: 'aaaaaaaaaaaa',
      ...record,
    });
  return metrics;
}

describe('NodeMetrics', () => {
  it('counts handshakes by outcome and reason', () => {
    const success = { event: 'authn_login_success', outcome: 'success' } as const;
    const { handshakes } = metricsOf(
      { status: 401 },
      { status: 401 },
      { closeCode: 4401 },
      { ...success, reasonCode: 'admitted' },
      { ...success, reasonCode: 'refreshed' },
    );
    expect([...handshakes]).toEqual([
      ['refused token_signature', 3],
      ['success admitted', 1],
      ['success refreshed', 1],
    ]);
  });

  it('takes no refused HTTP request for a handshake', () => {
    expect(metricsOf({ status: 401, correlationId: undefined }).handshakes.size).toBe(0);
  });

  it('takes no refused message for a handshake', () => {
    expect(metricsOf({ reasonCode: 'unknown_event' }).handshakes.size).toBe(0);
  });

  it('makes no label of what an application or a client has written (LG-05)', () => {
    const reasons = Array.from({ length: 1_000 }, (_, index) => ({
      status: 401,
      reasonCode: `word-${index}`,
    }));
    expect([...metricsOf(...reasons).handshakes]).toEqual([['refused other', 1_000]]);
    const codes = Array.from(
      { length: 4_000 },
      (_, index) => ({ outcome: 'closed', closeCode: 1000 + index }) as const,
    );
    const { closes } = metricsOf(...codes);
    expect(closes.size).toBeLessThan(32);
    expect([...closes.values()].reduce((sum, count) => sum + count, 0)).toBe(4_000);
  });

  it('has a label for every code that the library sends', () => {
    const codes = [
      1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 3003, 3008, 4400, 4401, 4403, 4408,
      4409, 4410, 4419, 4429,
    ];
    const { closes } = metricsOf(...codes.map((closeCode) => ({ outcome: 'closed', closeCode }) as const));
    expect([...closes.keys()]).toEqual(codes.map(String));
  });

  it('counts anomalies and limits by name', () => {
    const metrics = metricsOf({
      event: 'anomaly_detected',
      outcome: 'reported',
      reasonCode: 'cookieTossing',
    });
    metrics.noteThrottled('user');
    metrics.noteThrottled('user');
    expect([...metrics.anomalies, ...metrics.throttled]).toEqual([
      ['cookieTossing', 1],
      ['user', 2],
    ]);
  });

  it('tells how long something took to whoever listens, until they stop', () => {
    const metrics = new NodeMetrics();
    const heard: unknown[] = [];
    metrics.timed('store', 1);
    const stop = metrics.listen((...measured) => heard.push(measured));
    metrics.timed('store', 2, 'error');
    stop();
    metrics.timed('store', 3);
    expect(heard).toEqual([['store', 2, 'error']]);
  });
});
