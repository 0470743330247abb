import { describe, expect, it } from 'vitest';
import type { Notice } from '../../lib/core/notice-board.js';
import { readNotice, writeNotice } from '../../lib/redis/notice-message.js';

const explanation = {
  rule: 'OR-02',
  why: 'The Origin is not in the list.',
  fix: 'Add it.',
  option: 'origins',
  received: 'https://evil.example',
  expected: 'https://app.example',
  event: {
    ts: '2027-01-15T08:00:00.000Z',
    event: 'malicious_csrf',
    outcome: 'refused',
    reasonCode: 'origin_not_allowed',
    status: 403,
    node: 'a',
  },
} as const;

const NOTICES: Notice[] = [
  { kind: 'ban', ban: { prefix: '203.0.113.9', remainingMs: 1_000, reason: 'x', isAutomatic: true } },
  { kind: 'ban', ban: { prefix: '2001:db8:0:1:0:0:0:0/64', remainingMs: 1, reason: '', isAutomatic: false } },
  { kind: 'lift', prefix: '203.0.113.9' },
  { kind: 'suspect', key: 'k', forMs: 60_000 },
  { kind: 'explain', id: 'aaaaaaaaaaaa', node: 'a' },
  { kind: 'explained', id: 'aaaaaaaaaaaa', node: 'a', explanation },
];

describe('a notice', () => {
  it.each(NOTICES)('reads as it was written: $kind', (notice) => {
    expect(readNotice(writeNotice('a', notice), 'b')).toEqual(notice);
  });

  it('of this node is not read', () => {
    expect(readNotice(writeNotice('a', NOTICES[0]!), 'a')).toBeNull();
  });

  it.each([
    ['no JSON', '{'],
    ['no list', '{}'],
    ['nobody', '[]'],
    ['nothing', '["a"]'],
    ['more', '["a",{"kind":"lift","prefix":"203.0.113.9"},1]'],
    ['no object', '["a","lift"]'],
    ['an unknown kind', '["a",{"kind":"shutdown"}]'],
    ['a kind of the prototype', '["a",{"kind":"__proto__"}]'],
    ['a network', '["a",{"kind":"lift","prefix":"0.0.0.0/0"}]'],
    ['an IPv4 network of one', '["a",{"kind":"lift","prefix":"203.0.113.9/32"}]'],
    ['IPv6 without a prefix', '["a",{"kind":"lift","prefix":"2001:db8:0:1:0:0:0:0"}]'],
    ['IPv6 in another spelling', '["a",{"kind":"lift","prefix":"2001:db8::/64"}]'],
    ['IPv6 with bits behind its prefix', '["a",{"kind":"lift","prefix":"2001:db8:0:1:0:0:0:1/64"}]'],
    ['a prefix of more bits than there are', '["a",{"kind":"lift","prefix":"2001:db8:0:1:0:0:0:0/129"}]'],
    ['no address', '["a",{"kind":"lift","prefix":"1.2.3.4.5"}]'],
    [
      'a ban of more than 30 days',
      '["a",{"kind":"ban","ban":{"prefix":"203.0.113.9","remainingMs":2592000001,"reason":""}}]',
    ],
    [
      'a ban with a long reason',
      `["a",{"kind":"ban","ban":{"prefix":"203.0.113.9","remainingMs":1,"reason":"${'x'.repeat(65)}"}}]`,
    ],
    ['a prefix that is a pattern', '["a",{"kind":"lift","prefix":"*"}]'],
    ['a prefix that is a list', '["a",{"kind":"lift","prefix":["203.0.113.9"]}]'],
    [
      'a ban without end',
      '["a",{"kind":"ban","ban":{"prefix":"203.0.113.9","remainingMs":1e300,"reason":""}}]',
    ],
    [
      'a ban that is over',
      '["a",{"kind":"ban","ban":{"prefix":"203.0.113.9","remainingMs":-1,"reason":""}}]',
    ],
    ['a ban of nobody', '["a",{"kind":"ban"}]'],
    ['a suspicion without end', '["a",{"kind":"suspect","key":"k","forMs":null}]'],
    ['a long key', `["a",{"kind":"suspect","key":"${'k'.repeat(65)}","forMs":1}]`],
    ['a question by nobody', '["a",{"kind":"explain","id":"aaaaaaaaaaaa"}]'],
    [
      'an answer without an event',
      '["a",{"kind":"explained","id":"a","node":"b","explanation":{"rule":"x"}}]',
    ],
    [
      'an answer without a rule',
      '["a",{"kind":"explained","id":"a","node":"b","explanation":{"event":{"event":"x","reasonCode":"y"}}}]',
    ],
    ['a megabyte', `["a",{"kind":"lift","prefix":"203.0.113.9","x":"${'x'.repeat(1_000_000)}"}]`],
  ])('is none when it is %s (SE-05)', (_, message) => {
    expect(readNotice(message, 'b')).toBeNull();
  });

  it('is on one line for the operator who reads it, whoever has written it (SE-05, LG-03)', () => {
    const hostile = 'x\n2027 FAKE LINE\u202e\u001b[31m\u2028';
    const forged = { ...explanation, why: hostile, fix: hostile, expected: hostile, received: hostile };
    const notice = {
      kind: 'explained',
      id: 'a',
      node: 'b',
      explanation: { ...forged, event: { ...explanation.event, path: hostile } },
    };
    const read = readNotice(JSON.stringify(['a', notice]), 'b');
    const texts = JSON.stringify(read).replaceAll('\\\\', '');
    expect(read).toMatchObject({ explanation: { why: 'x\\u000a2027 FAKE LINE\\u202e\\u001b[31m\\u2028' } });
    expect(texts).not.toMatch(/\\n|[\u0000-\u001f\u202e\u2028]/);
    const ban = { ...(NOTICES[0] as { ban: object }).ban, reason: 'a\nb' };
    expect(readNotice(JSON.stringify(['a', { kind: 'ban', ban }]), 'b')).toMatchObject({
      ban: { reason: 'a\\u000ab' },
    });
  });

  it('leaves behind what it does not know (SE-05)', () => {
    const message = JSON.stringify([
      'a',
      {
        kind: 'explained',
        id: 'aaaaaaaaaaaa',
        node: 'a',
        more: 1,
        explanation: { ...explanation, more: 1, event: { ...explanation.event, more: 1, status: '403' } },
      },
    ]);
    const { status: _, ...event } = explanation.event;
    expect(readNotice(message, 'b')).toEqual({
      kind: 'explained',
      id: 'aaaaaaaaaaaa',
      node: 'a',
      explanation: { ...explanation, event },
    });
  });
});
