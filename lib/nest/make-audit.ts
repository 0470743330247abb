import type { KeyObject } from 'node:crypto';
import type { Logger } from '@nestjs/common';
import { AuditLog } from '../core/audit/audit-log.js';
import { ExplanationBook } from '../core/audit/explanation-book.js';
import { ExplanationService } from '../core/audit/explanation-service.js';
import { expectedBy } from '../core/audit/expected-by.js';
import { toLogLine } from '../core/audit/redaction.js';
import type { Clock } from '../core/clock.js';
import type { GatewayPolicy } from '../core/handshake/gateway-policy.js';
import type { NodeMetrics } from '../core/metrics/node-metrics.js';
import type { NoticeBoard } from '../core/notice-board.js';
import type { ResolvedOptions } from '../core/options.js';

/** What the audit of an engine is built from. */
export interface AuditParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly node: string;
  readonly referenceKey: KeyObject;
  readonly notices: NoticeBoard;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
  /** The policies on a path: one for each port. */
  readonly policiesOf: (path: string | undefined) => readonly GatewayPolicy[];
}

/** The audit log with what learns from it. */
export interface Audit {
  readonly audit: AuditLog;
  readonly explanations: ExplanationService;
  /** To be called every `FLOOD_WINDOW_MS`. */
  sweep(): void;
}

/** Builds the audit log with its writers and sinks, and what remembers and counts what it is told. */
export function makeAudit(parts: AuditParts): Audit {
  const { options, clock, node, notices, metrics, logger } = parts;
  /** By the name of the sink, how many losses the log has been told of. */
  const toldOfDrops = new Map<string, number>();
  const tellOfDrops = (name: string): void => {
    const lost = audit.droppedOf.get(name) ?? 0;
    // Before it is told: the logger may be what loses them.
    toldOfDrops.set(name, lost);
    logger.warn(`audit_dropped: "${name}" has failed or is too slow, ${lost} events did not reach it`);
  };
  const audit: AuditLog = new AuditLog({
    clock,
    node,
    referenceKey: parts.referenceKey,
    ipv6Prefix: options.proxy.ipv6Prefix,
    onDropped: (name) => {
      if (!toldOfDrops.has(name)) tellOfDrops(name);
    },
  });
  if (options.audit.log) audit.addWriter((event) => logger.log(toLogLine(event)));
  for (const sink of options.audit.sinks) audit.addSink(sink);
  const book = new ExplanationBook({
    clock,
    expectedBy: (event) => expectedBy(event, options, parts.policiesOf(event.path)),
  });
  audit.observe((record, event) => {
    book.note(record, event);
    metrics.note(record);
  });
  return {
    audit,
    explanations: new ExplanationService({ book, notices, node }),
    sweep: () => {
      audit.sweep();
      book.sweep();
      for (const [name, lost] of audit.droppedOf) if (toldOfDrops.get(name) !== lost) tellOfDrops(name);
    },
  };
}
