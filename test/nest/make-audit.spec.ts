import { createSecretKey } from 'node:crypto';
import type { Logger } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { NodeMetrics } from '../../lib/core/metrics/node-metrics.js';
import { NO_NOTICES } from '../../lib/core/notice-board.js';
import type { ResolvedOptions } from '../../lib/core/options.js';
import { makeAudit } from '../../lib/nest/make-audit.js';
import { fakeClock } from '../support/fake-clock.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An audit log with sinks that fail, and what its logger is told. */
function openAudit(...names: string[]) {
  const warnings: string[] = [];
  const sinks = names.map((name) => ({ name, write: () => Promise.reject(new Error('disk full')) }));
  const audit = makeAudit({
    options: {
      audit: { log: false, sinks, reportOnly: [] },
      proxy: { ipv6Prefix: 64 },
    } as unknown as ResolvedOptions,
    clock: fakeClock(),
    node: 'n',
    referenceKey: createSecretKey(Buffer.alloc(32, 1)),
    notices: NO_NOTICES,
    metrics: new NodeMetrics(),
    logger: { warn: (line: string) => void warnings.push(line) } as unknown as Logger,
    policiesOf: () => [],
  });
  const record = async (times: number): Promise<void> => {
    for (let time = 0; time < times; time += 1)
      audit.audit.record({ event: 'authn_login_success', outcome: 'success', reasonCode: 'admitted' });
    await turn();
    await turn();
  };
  return { audit, warnings, record };
}

describe('audit_dropped (LG-05)', () => {
  it('is told of the first loss at once, of each sink, and then of the total with each sweep', async () => {
    const { audit, warnings, record } = openAudit('one', 'two');
    await record(1);
    expect(warnings).toEqual([
      'audit_dropped: "one" has failed or is too slow, 1 events did not reach it',
      'audit_dropped: "two" has failed or is too slow, 1 events did not reach it',
    ]);
    for (let times = 0; times < 50; times += 1) await record(10);
    expect(warnings).toHaveLength(2);
    audit.sweep();
    expect(warnings.slice(2)).toEqual([
      'audit_dropped: "one" has failed or is too slow, 501 events did not reach it',
      'audit_dropped: "two" has failed or is too slow, 501 events did not reach it',
    ]);
    audit.sweep();
    expect(warnings).toHaveLength(4);
  });
});
