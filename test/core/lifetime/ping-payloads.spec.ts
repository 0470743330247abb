import { describe, expect, it } from 'vitest';
import { PING_BYTES, PingPayloads } from '../../../lib/core/lifetime/ping-payloads.js';

describe('PingPayloads', () => {
  it('never repeats itself, over many draws', () => {
    const payloads = new PingPayloads();
    const seen = new Set(Array.from({ length: 5_000 }, () => payloads.next().toString('hex')));
    expect(seen.size).toBe(5_000);
    expect([...seen].every((payload) => payload.length === 2 * PING_BYTES)).toBe(true);
  });

  it('hands out memory that later draws do not touch', () => {
    const payloads = new PingPayloads();
    const first = payloads.next();
    const copy = Buffer.from(first);
    for (let ping = 0; ping < 2_000; ping += 1) payloads.next();
    expect(first.equals(copy)).toBe(true);
  });

  it('does not tell one node what another draws', () => {
    expect(new PingPayloads().next().equals(new PingPayloads().next())).toBe(false);
  });
});
