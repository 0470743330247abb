import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ANOMALY_DEFAULTS } from '../../lib/core/anomaly/anomaly-options.js';
import { AuditLog } from '../../lib/core/audit/audit-log.js';
import { makeBans, type BanParts } from '../../lib/nest/make-bans.js';
import { MemoryStores } from '../../lib/memory/memory-stores.js';
import { fakeClock } from '../support/fake-clock.js';

describe('makeBans', () => {
  it('looks through the connections once a second at most, however many addresses are to be banned', () => {
    const clock = fakeClock();
    let looked = 0;
    let address = '203.0.113.9';
    const connections = {
      local: () => {
        looked += 1;
        return [{ handshake: { address } }];
      },
    };
    const bans = makeBans({
      options: { anomalies: ANOMALY_DEFAULTS, proxy: { ipv6Prefix: 64, trusted: [] } },
      stores: new MemoryStores({ node: 'n', rememberRevocationsMs: 1_000, clock }),
      audit: new AuditLog({ clock, node: 'n', referenceKey: createSecretKey(Buffer.alloc(32, 1)) }),
      clock,
      monotonic: clock,
      connections,
      revocations: {},
      onError: (error: unknown) => {
        throw error;
      },
    } as unknown as BanParts);
    for (let host = 0; host < 1_000; host += 1)
      expect(bans.banByRule(`10.0.${host >> 8}.${host & 255}`, 1_000, 'x')).toBe(true);
    expect(looked).toBe(1);
    expect(bans.banByRule(address, 1_000, 'x')).toBe(false);
    clock.advance(1_000);
    address = '203.0.113.10';
    expect(bans.banByRule(address, 1_000, 'x')).toBe(false);
    expect(bans.banByRule('203.0.113.9', 1_000, 'x')).toBe(true);
    expect(looked).toBe(2);
  });
});
