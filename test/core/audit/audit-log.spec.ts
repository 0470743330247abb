import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AuditEvent, AuditRecord } from '../../../lib/core/audit/audit-event.js';
import { AuditLog } from '../../../lib/core/audit/audit-log.js';
import { toLogLine } from '../../../lib/core/audit/redaction.js';
import { auditReference } from '../../../lib/core/secret-keys.js';
import { fakeClock } from '../../support/fake-clock.js';

const referenceKey = createSecretKey(Buffer.alloc(32, 1));
const least: AuditRecord = { event: 'authn_login_success', outcome: 'success', reasonCode: 'admitted' };

/** A log, and what its sink was told. */
function openLog() {
  const clock = fakeClock();
  const log = new AuditLog({ clock, node: 'node-1', referenceKey });
  const events: AuditEvent[] = [];
  const unsubscribe = log.subscribe((event) => {
    events.push(event);
  });
  return { clock, log, events, unsubscribe };
}

/** The one event that a record becomes. */
function eventOf(record: AuditRecord): AuditEvent {
  const { log, events } = openLog();
  log.record(record);
  return events[0]!;
}

describe('AuditLog', () => {
  describe('record', () => {
    it('adds time and node, and leaves out what is not known', () => {
      expect(eventOf(least)).toStrictEqual({
        ts: '2027-01-15T08:00:00.000Z',
        event: 'authn_login_success',
        outcome: 'success',
        reasonCode: 'admitted',
        node: 'node-1',
      });
    });

    it('tells everything that it names, and turns ids into references', () => {
      const record: Required<AuditRecord> = {
        event: 'connection_closed',
        outcome: 'closed',
        reasonCode: 'client_left',
        correlationId: 'correlation',
        connectionId: 'connection',
        status: 401,
        closeCode: 4401,
        ip: '203.0.113.9',
        ipSource: 'socket',
        origin: 'https://app.example.com',
        path: '/ws',
        method: 'ticket',
        principal: 'alice',
        sessionId: 'session-id',
        ticketHash: 'ticket-hash',
        sockets: 0,
      };
      const { sessionId, ticketHash, ...rest } = record;
      expect(eventOf(record)).toStrictEqual({
        ...rest,
        ts: '2027-01-15T08:00:00.000Z',
        node: 'node-1',
        sessionRef: auditReference(referenceKey, sessionId),
        ticketRef: auditReference(referenceKey, ticketHash),
      });
    });

    it('holds no session id, no ticket hash and no field that it does not name (LG-02)', () => {
      const record = {
        ...least,
        sessionId: 'canary-session',
        ticketHash: 'canary-ticket',
        authorization: 'canary',
        cookie: 'canary',
        headers: { cookie: 'canary' },
        token: 'canary',
        data: 'canary',
      };
      expect(JSON.stringify(eventOf(record))).not.toContain('canary');
    });

    it('names a session alike each time, and another session otherwise', () => {
      const refOf = (sessionId: string) => eventOf({ ...least, sessionId }).sessionRef;
      expect(refOf('a')).toBe(refOf('a'));
      expect(refOf('a')).not.toBe(refOf('b'));
    });

    it('freezes the event, which all sinks share', () => {
      expect(Object.isFrozen(eventOf(least))).toBe(true);
    });

    it('bounds every text that comes from outside (LG-03)', () => {
      const long = 'x'.repeat(15_360);
      const event = eventOf({
        ...least,
        reasonCode: long,
        ip: long,
        origin: long,
        path: long,
        principal: long,
      });
      for (const field of ['reasonCode', 'ip', 'origin', 'path', 'principal'] as const) {
        expect(event[field]).toHaveLength(257);
      }
    });

    it('is one line of at most 4 KiB for the worst that a request can hold (LG-03)', () => {
      // C1 reaches a header value; path and principal are printable by their own rules.
      const line = toLogLine(
        eventOf({
          ...least,
          correlationId: 'c'.repeat(12),
          connectionId: 'c'.repeat(12),
          origin: '\u0085'.repeat(15_360),
          path: `/${'"'.repeat(15_360)}`,
          principal: '"'.repeat(128),
          sessionId: 's',
          ticketHash: 't',
          ip: '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff',
        }),
      );
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(4_096);
    });

    it('takes the time of each event', () => {
      const { clock, log, events } = openLog();
      log.record(least);
      clock.advance(1_500);
      log.record(least);
      expect(events.map(({ ts }) => ts)).toEqual(['2027-01-15T08:00:00.000Z', '2027-01-15T08:00:01.500Z']);
    });
  });

  describe('sinks', () => {
    it('are told in their order, until they are taken out', () => {
      const { log, events, unsubscribe } = openLog();
      const order: string[] = [];
      log.subscribe(() => {
        order.push('second');
      });
      log.record(least);
      unsubscribe();
      log.record(least);
      expect(events).toHaveLength(1);
      expect(order).toEqual(['second', 'second']);
    });

    it('that throw are counted, and keep nobody else from hearing', () => {
      const log = new AuditLog({ clock: fakeClock(), node: 'n', referenceKey });
      const heard: AuditEvent[] = [];
      log.subscribe(() => {
        throw new Error('disk full');
      });
      log.subscribe((event) => {
        heard.push(event);
      });
      expect(() => log.record(least)).not.toThrow();
      expect(heard).toHaveLength(1);
      expect(log.dropped).toBe(1);
    });

    it('that reject are counted, and end no process', async () => {
      const log = new AuditLog({ clock: fakeClock(), node: 'n', referenceKey });
      log.subscribe(() => Promise.reject(new Error('disk full')));
      log.subscribe(() => Promise.resolve());
      log.record(least);
      // Longer than it takes Node to call a rejection unhandled.
      await new Promise(setImmediate);
      expect(log.dropped).toBe(1);
    });

    it('are not needed', () => {
      expect(() => new AuditLog({ clock: fakeClock(), node: 'n', referenceKey }).record(least)).not.toThrow();
    });
  });

  describe('referenceOf', () => {
    it('is the reference that stands in the events', () => {
      const { log, events } = openLog();
      log.record({ ...least, sessionId: 'a' });
      expect(log.referenceOf('a')).toBe(events[0]!.sessionRef);
      expect(log.referenceOf('a')).not.toBe('a');
    });
  });
});
