import { afterEach, describe, expect, it } from 'vitest';
import { type AuditEvent, type AuditEventName, WsBans, type WsAuthOptions } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { frameBytes, type HandshakeParts, messageBytes, RawClient } from '../support/raw-client.js';

const clients: RawClient[] = [];
let test: TestApp;
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await test.discard();
});

const PASSWORD = 'correct horse';
const bearer = (token: string): HandshakeParts => ({ headers: { Authorization: `Bearer ${token}` } });
const basic = (password: string): HandshakeParts => ({
  headers: { Origin: undefined, Authorization: `Basic ${Buffer.from(`ada:${password}`).toString('base64')}` },
});
const cookie = (token: string): HandshakeParts => ({ headers: { Cookie: `__Host-sid=${token}` } });
const ticketIn = (ticket: string): HandshakeParts => ({ target: `/ws?ticket=${ticket}` });

async function refused(parts: HandshakeParts, times = 1): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    const client = await RawClient.open(test.port, parts);
    clients.push(client);
    await client.response();
    client.destroy();
  }
}

async function live(parts: HandshakeParts): Promise<RawClient> {
  const client = await RawClient.open(test.port, parts);
  clients.push(client);
  await client.upgraded();
  return client;
}

/** What happens, and how often each event is told of it. */
const SCENARIOS: [
  what: string,
  told: Partial<Record<AuditEventName, number>>,
  play: () => Promise<void>,
  options?: Partial<WsAuthOptions>,
][] = [
  [
    'a session, from login to logout',
    {
      session_created: 1,
      authn_login_success: 2,
      session_renewed: 1,
      authz_change: 1,
      session_logout: 1,
      connection_closed: 2,
    },
    async () => {
      const { session, token } = await test.sessions.create({ userId: 'ada' });
      const both = [await live(cookie(token)), await live(cookie(token))];
      await test.sessions.setRoles({ session: session.id }, { roles: ['admin'] });
      const rotated = await test.sessions.rotate(token);
      await test.sessions.revoke({ session: rotated.session.id, reason: 'logout' });
      for (const client of both) await client.closed();
    },
  ],
  [
    'a ticket that is used, and used again, and one of another path',
    { authn_token_created: 2, authn_login_success: 1, authn_token_reuse: 2, authn_login_fail: 1 },
    async () => {
      const { ticket } = await test.tickets.issue({ principal: { id: 'ada' } });
      await live(ticketIn(ticket));
      await refused(ticketIn(ticket), 2);
      const other = await test.tickets.issue({ principal: { id: 'ada' }, origin: 'https://other.example' });
      await refused(ticketIn(other.ticket));
    },
  ],
  [
    'bad credentials of every kind',
    { authn_login_fail: 4, session_use_after_expire: 1 },
    async () => {
      await refused({});
      await refused(bearer('x.y.z'));
      await refused({ target: '/ws?token=x' });
      await refused(basic('guess'));
      await refused(cookie(`${'a'.repeat(16)}.${'b'.repeat(43)}`));
    },
  ],
  [
    'eleven guesses of a password',
    { authn_login_fail: 10, authn_login_fail_max: 1 },
    () => refused(basic('guess'), 11),
    { anomalies: { failuresOfCredential: { threshold: Infinity } } },
  ],
  [
    'pages and hosts that are not ours',
    { malicious_csrf: 3 },
    async () => {
      await refused({ headers: { Origin: 'https://evil.example' } }, 2);
      await refused({ headers: { Host: 'evil.example' } });
    },
  ],
  [
    'malformed handshakes and messages',
    { input_validation_fail: 5, authn_login_success: 1 },
    async () => {
      await refused({ method: 'POST' });
      await refused({ target: '/nowhere' });
      await refused({ headers: { 'Sec-WebSocket-Version': '8' } });
      const client = await live(bearer(test.token()));
      client.write(frameBytes('x'), messageBytes('unknown'));
      await client.message();
      await client.message();
    },
  ],
  [
    'too many messages',
    { authn_login_success: 1, excess_rate_limit_exceeded: 2 },
    async () => {
      const client = await live(bearer(test.token()));
      for (let times = 0; times < 4; times += 1) client.send('echo', times);
      await client.closed();
    },
    { throttle: { perConnection: { limit: 1, burst: 1 }, violations: { limit: 2, burst: 2 } } },
  ],
  [
    'more connections than a user may have',
    { authn_login_success: 1, excess_sessions_exceeded: 1 },
    async () => {
      await live(bearer(test.token()));
      await refused(bearer(test.token()));
    },
    { connections: { maxPerUser: 1 } },
  ],
  [
    'a message without the right to it',
    { authn_login_success: 1, authz_fail: 1 },
    async () => {
      const client = await live(bearer(test.token()));
      client.send('admin');
      await client.message();
    },
  ],
  [
    'a session that runs out',
    { session_created: 1, authn_login_success: 1, session_expired: 1 },
    async () => {
      const { token } = await test.sessions.create({ userId: 'ada' });
      await (await live(cookie(token))).closed();
    },
    { session: { idleMs: 200 } },
  ],
  [
    'a user who is revoked',
    { authn_login_success: 2, authn_token_revoked: 1, connection_closed: 2 },
    async () => {
      const both = [await live(bearer(test.token())), await live(bearer(test.token()))];
      await test.sessions.revoke({ user: 'ada' });
      for (const client of both) await client.closed();
    },
  ],
  [
    'a node that drains',
    { authn_login_success: 1, connection_closed: 1, sys_refused: 1 },
    async () => {
      const client = await live(bearer(test.token()));
      await test.engine.drain();
      await client.closed();
      await refused(bearer(test.token()));
    },
  ],
  [
    'an address that replays, is banned, and let in again',
    {
      authn_token_created: 1,
      authn_login_success: 1,
      authn_token_reuse: 3,
      anomaly_detected: 1,
      address_banned: 1,
      excess_rate_limit_exceeded: 1,
      address_unbanned: 1,
    },
    async () => {
      const { ticket } = await test.tickets.issue({ principal: { id: 'ada' } });
      const presented = { ...ticketIn(ticket), headers: { 'X-Forwarded-For': '203.0.113.9' } };
      await live(presented);
      await refused(presented, 3);
      await eventually(() => test.engine.bans.size === 1);
      await refused(presented);
      await test.app.get(WsBans).lift('203.0.113.9');
    },
    {
      anomalies: { ticketReplayed: { action: 'ban' }, spareLoggedIn: false },
      // Loopback itself is never banned by a rule.
      proxy: { trusted: ['127.0.0.1'] },
    },
  ],
];

describe('LG-01: each scenario is told in these events, and no others', () => {
  it.each(SCENARIOS)('%s', async (_, told, play, options) => {
    test = await startApp({
      gateways: [makeChatGateway()],
      options: {
        credentials: ['ticket', 'bearer', 'cookie', 'basic'],
        basic: { verify: (user, password) => (password === PASSWORD ? { id: user } : null) },
        ...options,
      },
    });
    await play();
    const countsOf = (events: readonly AuditEvent[]): Record<string, number> => {
      const counts: Record<string, number> = {};
      for (const { event } of events) counts[event] = (counts[event] ?? 0) + 1;
      return counts;
    };
    const total = Object.values(told).reduce((sum, count) => sum + count, 0);
    await eventually(() => test.events.length >= total);
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(countsOf(test.events)).toEqual(told);
  });

  it('and between them they have every event that there is', async () => {
    const names = new Set(SCENARIOS.flatMap(([, told]) => Object.keys(told)));
    test = await startApp({ gateways: [makeChatGateway()] });
    const all: Record<AuditEventName, true> = {
      authn_login_success: true,
      authn_login_fail: true,
      authn_login_fail_max: true,
      authn_token_created: true,
      authn_token_revoked: true,
      authn_token_reuse: true,
      authz_fail: true,
      authz_change: true,
      connection_closed: true,
      excess_rate_limit_exceeded: true,
      excess_sessions_exceeded: true,
      input_validation_fail: true,
      malicious_csrf: true,
      session_created: true,
      session_renewed: true,
      session_expired: true,
      session_logout: true,
      session_use_after_expire: true,
      sys_refused: true,
      anomaly_detected: true,
      address_banned: true,
      address_unbanned: true,
    };
    expect([...names].toSorted()).toEqual(Object.keys(all).toSorted());
  });
});
