import { describe, expect, it } from 'vitest';
import type { AuditEvent, AuditRecord } from '../../../lib/core/audit/audit-event.js';
import { ExplanationBook } from '../../../lib/core/audit/explanation-book.js';
import { fakeClock } from '../../support/fake-clock.js';

function openBook(maxEntries?: number) {
  const clock = fakeClock();
  const book = new ExplanationBook({ clock, maxEntries, expectedBy: () => 'https://app.example' });
  const note = (changes: Partial<AuditEvent> = {}, record: Partial<AuditRecord> = {}): void => {
    const event: AuditEvent = {
      ts: '2027-01-15T08:00:00.000Z',
      event: 'malicious_csrf',
      outcome: 'refused',
      reasonCode: 'origin_not_allowed',
      status: 403,
      node: 'n',
      correlationId: 'id',
      origin: 'https://evil.example',
      ...changes,
    };
    book.note({ ...event, ...record }, event);
  };
  return { clock, book, note };
}

describe('ExplanationBook', () => {
  it('says the rule, what was compared, the option and the fix', () => {
    const { book, note } = openBook();
    note();
    expect(book.explain('id')).toStrictEqual({
      rule: 'OR-02',
      why: 'The Origin is not in the list.',
      fix: 'Add the origin exactly as received, if it is yours.',
      option: 'origins',
      received: 'https://evil.example',
      expected: 'https://app.example',
      event: expect.objectContaining({ reasonCode: 'origin_not_allowed', status: 403 }),
    });
  });

  it('shows what was compared cut, on one line, and without a credential (LG-02, LG-03)', () => {
    const { book, note } = openBook();
    note({ reasonCode: 'token_audience' }, { received: `a\u0085b wst_${'c'.repeat(60)} ${'d'.repeat(600)}` });
    const { received } = book.explain('id')!;
    expect(received).toMatch(/^a\\u0085b \[redacted\] d+…$/);
    expect(received!.length).toBeLessThan(300);
  });

  it('knows nothing of what was let in, or left by itself', () => {
    const { book, note } = openBook();
    note({ outcome: 'success' });
    note({ outcome: 'closed', reasonCode: 'client_left' });
    note({ correlationId: undefined });
    expect(book.size).toBe(0);
    expect(book.explain('id')).toBeNull();
  });

  it('says the last of several', () => {
    const { book, note } = openBook();
    note({ reasonCode: 'unknown_event' });
    note({ outcome: 'closed', reasonCode: 'rate_limited', closeCode: 4429 });
    expect(book.explain('id')).toMatchObject({ rule: 'TH-02', event: { closeCode: 4429 } });
    expect(book.size).toBe(1);
  });

  it('says why a refusal was one, though an anomaly is told under its id', () => {
    const { book, note } = openBook();
    note({ reasonCode: 'ticket_replayed' });
    note({ event: 'anomaly_detected', outcome: 'reported', reasonCode: 'ticketReplayed' });
    expect(book.explain('id')).toMatchObject({ rule: 'TK-02' });
  });

  it('remembers 10,000, and forgets the oldest first', () => {
    const { book, note } = openBook();
    for (let index = 0; index < 10_001; index += 1) note({ correlationId: `${index}` });
    expect(book.size).toBeLessThanOrEqual(10_000);
    expect(book.size).toBeGreaterThan(9_000);
    expect(book.explain('0')).toBeNull();
    expect(book.explain('10000')).not.toBeNull();
  });

  it('remembers for 10 minutes', () => {
    const { clock, book, note } = openBook();
    note();
    clock.advance(10 * 60_000);
    expect(book.explain('id')).not.toBeNull();
    clock.advance(1);
    expect(book.explain('id')).toBeNull();
    expect(book.size).toBe(0);
  });

  it('forgets with the sweep what nobody asks for', () => {
    const { clock, book, note } = openBook();
    note({ correlationId: 'a' });
    clock.advance(5 * 60_000);
    note({ correlationId: 'b' });
    clock.advance(5 * 60_000 + 1);
    book.sweep();
    expect(book.size).toBe(1);
  });
});
