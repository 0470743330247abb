import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../../lib/core/audit/audit-event.js';
import { FloodFilter } from '../../../lib/core/audit/flood-filter.js';

const START = Date.parse('2027-01-15T08:00:00.000Z');

/** A filter, and what it has told. */
function openFilter(maxKeys?: number) {
  const told: AuditEvent[] = [];
  const filter = new FloodFilter({ ipv6Prefix: 64, maxKeys, tell: (event) => void told.push(event) });
  return { filter, told, total: () => told.reduce((sum, { count }) => sum + (count ?? 1), 0) };
}

function refusal(changes: Partial<AuditEvent> = {}): AuditEvent {
  return {
    ts: new Date(START).toISOString(),
    event: 'authn_login_fail',
    outcome: 'refused',
    reasonCode: 'token_signature',
    status: 401,
    node: 'n',
    ip: '203.0.113.9',
    ...changes,
  };
}

describe('FloodFilter (LG-05)', () => {
  it('tells what is no refusal, each time', () => {
    const { filter, told } = openFilter();
    for (const outcome of ['success', 'closed', 'success', 'closed'] as const)
      filter.take(refusal({ outcome }));
    expect(told).toHaveLength(4);
    expect(filter.size).toBe(0);
  });

  it('tells the first, and the number of the others once in a window', () => {
    const { filter, told } = openFilter();
    for (let times = 0; times < 10_000; times += 1) filter.take(refusal());
    expect(told).toEqual([refusal()]);
    filter.sweep(START + 10_000);
    expect(told.map(({ count }) => count)).toEqual([undefined, 9_999]);
    expect(told[1]!.since).toBe('2027-01-15T08:00:00.000Z');
  });

  it('goes on counting while they come, each window from the end of the one before', () => {
    const { filter, told, total } = openFilter();
    for (let window = 1; window <= 3; window += 1) {
      for (let times = 0; times < 100; times += 1) filter.take(refusal());
      filter.sweep(START + window * 10_000);
    }
    expect(told.map(({ count }) => count)).toEqual([undefined, 99, 100, 100]);
    expect(told[3]!.since).toBe('2027-01-15T08:00:20.000Z');
    expect(total()).toBe(300);
  });

  it('forgets what has stopped, so that the next one is told as it is', () => {
    const { filter, told } = openFilter();
    filter.take(refusal());
    filter.sweep(START + 10_000);
    expect(filter.size).toBe(0);
    filter.take(refusal({ correlationId: 'next' }));
    expect(told.map(({ correlationId }) => correlationId)).toEqual([undefined, 'next']);
  });

  it('tells kinds and address prefixes apart', () => {
    const { filter, told } = openFilter();
    filter.take(refusal());
    filter.take(refusal({ reasonCode: 'token_audience' }));
    filter.take(refusal({ ip: '203.0.113.10' }));
    filter.take(refusal({ outcome: 'reported' }));
    filter.take(refusal({ ip: undefined }));
    expect(told).toHaveLength(5);
  });

  it('counts the addresses of one IPv6 prefix as one, and tells the prefix', () => {
    const { filter, told } = openFilter();
    filter.take(refusal({ ip: '2001:db8:0:1:0:0:0:1' }));
    filter.take(refusal({ ip: '2001:db8:0:1:ffff:0:0:2' }));
    filter.sweep(START);
    expect(told.map(({ ip, count }) => [ip, count])).toEqual([
      ['2001:db8:0:1:0:0:0:1', undefined],
      ['2001:db8:0:1:0:0:0:0/64', 1],
    ]);
  });

  it('keeps its memory bounded when they come from everywhere, and the total right', () => {
    const { filter, told, total } = openFilter(100);
    for (let host = 0; host < 60_000; host += 1)
      filter.take(refusal({ ip: `10.1.${host >> 8}.${host & 255}` }));
    expect(filter.size).toBe(101);
    expect(told).toHaveLength(100);
    filter.sweep(START + 10_000);
    expect(told).toHaveLength(101);
    expect(told[100]).toMatchObject({ count: 59_900, reasonCode: 'token_signature' });
    expect(told[100]!.ip).toBeUndefined();
    expect(total()).toBe(60_000);
  });
});
