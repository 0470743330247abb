import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AuditEvent, AuditRecord } from '../../../lib/core/audit/audit-event.js';
import { AuditLog } from '../../../lib/core/audit/audit-log.js';
import { toLogLine } from '../../../lib/core/audit/redaction.js';
import { auditReference } from '../../../lib/core/secret-keys.js';
import { fakeClock } from '../../support/fake-clock.js';

const referenceKey = createSecretKey(Buffer.alloc(32, 1));
const refused: AuditRecord = {
  event: 'malicious_csrf',
  outcome: 'refused',
  reasonCode: 'origin_not_allowed',
  status: 403,
  ip: '203.0.113.9',
  origin: 'https://evil.example',
};
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
        claim: 'root',
        received: 'in no event',
        sockets: 0,
        count: 3,
        action: 'none',
      };
      const { sessionId, ticketHash, claim, received: _, ...rest } = record;
      expect(eventOf(record)).toStrictEqual({
        ...rest,
        ts: '2027-01-15T08:00:00.000Z',
        node: 'node-1',
        sessionRef: auditReference(referenceKey, sessionId),
        ticketRef: auditReference(referenceKey, ticketHash),
        claimRef: auditReference(referenceKey, claim),
      });
    });

    it('holds no session id, no ticket hash and no field that it does not name (LG-02)', () => {
      const record = {
        ...least,
        sessionId: 'canary-session',
        ticketHash: 'canary-ticket',
        claim: 'canary-claim',
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

  describe('listeners', () => {
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
      expect(log.droppedOf).toEqual(new Map([['listener', 1]]));
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

    it('hear of every refusal of a flood', () => {
      const { log, events } = openLog();
      for (let times = 0; times < 100; times += 1) log.record(refused);
      expect(events).toHaveLength(100);
    });

    it('are not needed', () => {
      expect(() => new AuditLog({ clock: fakeClock(), node: 'n', referenceKey }).record(least)).not.toThrow();
    });
  });

  describe('writers', () => {
    it('get the first of a flood at once, and its number with the sweep (LG-05)', () => {
      const { clock, log } = openLog();
      const written: AuditEvent[] = [];
      log.addWriter((event) => {
        written.push(event);
      });
      for (let times = 0; times < 100; times += 1) log.record({ ...refused, correlationId: `id-${times}` });
      expect(written.map(({ correlationId }) => correlationId)).toEqual(['id-0']);
      clock.advance(10_000);
      log.sweep();
      expect(written[1]).toStrictEqual({
        ts: '2027-01-15T08:00:10.000Z',
        event: 'malicious_csrf',
        outcome: 'refused',
        reasonCode: 'origin_not_allowed',
        status: 403,
        node: 'node-1',
        ip: '203.0.113.9',
        count: 99,
        since: '2027-01-15T08:00:00.000Z',
      });
    });

    it('that throw end nothing, not even when whoever is told of it throws too', () => {
      const failing = (): never => {
        throw new Error('closed');
      };
      const log = new AuditLog({ clock: fakeClock(), node: 'n', referenceKey, onDropped: failing });
      log.addWriter(failing);
      expect(() => log.record(least)).not.toThrow();
      expect(log.dropped).toBe(1);
    });
  });

  describe('sinks', () => {
    it('get what was told before the end, and its counts (LG-05)', async () => {
      const { log } = openLog();
      const written: AuditEvent[] = [];
      log.addSink({ name: 'list', write: (events) => void written.push(...events) });
      log.record(least);
      for (let times = 0; times < 3; times += 1) log.record(refused);
      expect(written).toEqual([]);
      await log.close();
      expect(written.map(({ outcome, count }) => [outcome, count])).toEqual([
        ['success', undefined],
        ['refused', undefined],
        ['refused', 2],
      ]);
    });

    it('that fail are counted by their name, and keep nobody else from hearing (LG-05)', async () => {
      const told: [string, number][] = [];
      const log = new AuditLog({
        clock: fakeClock(),
        node: 'n',
        referenceKey,
        onDropped: (name, count) => void told.push([name, count]),
      });
      const written: AuditEvent[] = [];
      log.addSink({ name: 'broken', write: () => Promise.reject(new Error('disk full')) });
      log.addSink({ name: 'good', write: (events) => void written.push(...events) });
      log.record(least);
      log.record(least);
      await log.close();
      expect(written).toHaveLength(2);
      expect(told).toEqual([['broken', 2]]);
      expect(log.droppedOf.get('broken')).toBe(2);
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
