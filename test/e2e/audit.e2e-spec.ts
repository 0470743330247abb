import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import { type AuditEvent, WsAuth, type WsAuthOptions, WsRoles } from '../../lib/index.js';
import { ORIGIN, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { HeldVerifier } from '../support/held-verifier.js';
import { post } from '../support/http.js';
import { holdCalls, interpose } from '../support/interpose.js';
import {
  closeBytes,
  frameBytes,
  type HandshakeParts,
  messageBytes,
  OPCODE,
  RawClient,
} from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

async function start(
  options: Partial<WsAuthOptions> = {},
  parts: Partial<TestAppParts> = {},
): Promise<TestApp> {
  const test = await startApp({
    gateways: [makeChatGateway()],
    ...parts,
    options: { credentials: ['ticket', 'bearer', 'cookie'], controller: true, ...options },
  });
  open.push(test);
  return test;
}

async function startWaiting(options: Partial<WsAuthOptions> = {}, parts: Partial<TestAppParts> = {}) {
  return start({ credentials: ['ticket', 'bearer', 'first-message'], ...options }, parts);
}

async function connect(test: TestApp, parts: HandshakeParts = {}, ...more: Buffer[]): Promise<RawClient> {
  const client = await RawClient.open(test.port, parts, ...more);
  clients.push(client);
  return client;
}

async function upgraded(test: TestApp, parts: HandshakeParts = {}, ...more: Buffer[]): Promise<RawClient> {
  const client = await connect(test, parts, ...more);
  await client.upgraded();
  return client;
}

const bearer = (token: string): HandshakeParts => ({ headers: { Authorization: `Bearer ${token}` } });
const cookie = (token: string): HandshakeParts => ({ headers: { Cookie: `__Host-sid=${token}` } });
const ticketIn = (ticket: string): HandshakeParts => ({ target: `/ws?ticket=${ticket}` });

/** An event in the words that a test asks for. */
function told({ event, outcome, reasonCode, status, closeCode }: AuditEvent): string {
  return [event, outcome, reasonCode, status ?? closeCode].filter((part) => part !== undefined).join(' ');
}

/** Every event since a mark, once all that was started has come to an end. */
async function eventsSince(test: TestApp, mark: number): Promise<string[]> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return test.events.slice(mark).map(told);
}

/** The correlation id at the end of a close reason. */
function idIn(reason: string): string | undefined {
  return /;id=([\w-]{12})$/.exec(reason)?.[1];
}

describe('LG-01: an admission is told once', () => {
  it('by bearer token, with everything that may be told of it', async () => {
    const test = await start();
    const client = await upgraded(test, {
      target: '/ws?room=1',
      headers: { ...bearer(test.token()).headers, 'Sec-WebSocket-Protocol': 'ws-auth.v1' },
    });
    const ok = await client.messageOf('auth.ok');
    expect(test.events).toEqual([
      {
        ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        event: 'authn_login_success',
        outcome: 'success',
        reasonCode: 'admitted',
        node: test.engine.node,
        connectionId: ok.data.connectionId,
        correlationId: expect.stringMatching(/^[\w-]{12}$/),
        ip: '127.0.0.1',
        ipSource: 'socket',
        origin: ORIGIN,
        path: '/ws',
        method: 'bearer',
        principal: 'ada',
      },
    ]);
  });

  it('by cookie and by ticket, with references in place of ids', async () => {
    const test = await start();
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    const { ticket } = await test.tickets.issue({ session: session.id, path: '/ws' });
    await upgraded(test, cookie(token));
    await upgraded(test, ticketIn(ticket));
    expect(test.events.map(told)).toEqual([
      'session_created success created',
      'authn_token_created success ticket_issued',
      'authn_login_success success admitted',
      'authn_login_success success admitted',
    ]);
    const sessionRef = test.engine.audit.referenceOf(session.id);
    const [created, issued, byCookie, byTicket] = test.events;
    for (const event of test.events) expect(event.sessionRef).toBe(sessionRef);
    expect(created!.principal).toBe('ada');
    expect(byCookie!.method).toBe('cookie');
    expect(byTicket!.method).toBe('ticket');
    expect(issued!.ticketRef).toMatch(/^[0-9a-f]{32}$/);
    expect(byTicket!.ticketRef).toBe(issued!.ticketRef);
  });

  it('by first message', async () => {
    const test = await startWaiting();
    const client = await upgraded(test, {}, messageBytes('auth', { token: test.token() }));
    const ok = await client.messageOf('auth.ok');
    expect(test.events).toHaveLength(1);
    expect(test.events[0]).toMatchObject({
      event: 'authn_login_success',
      method: 'first-message bearer',
      connectionId: ok.data.connectionId,
    });
  });

  it('and its end once, with the same ids', async () => {
    const test = await start();
    const endings: [end: (client: RawClient) => void, code: number][] = [
      [(client) => client.write(closeBytes(1000, 'bye')), 1000],
      [(client) => client.write(closeBytes(4001)), 4001],
      [(client) => client.reset(), 1006],
      [(client) => client.finish(), 1006],
    ];
    for (const [end, code] of endings) {
      const mark = test.events.length;
      const client = await upgraded(test, bearer(test.token()));
      end(client);
      if (code !== 1006) await client.closed();
      client.finish();
      await eventually(() => test.events.length === mark + 2);
      client.destroy();
      expect(await eventsSince(test, mark)).toEqual([
        'authn_login_success success admitted',
        `connection_closed closed client_left ${code}`,
      ]);
      const [opened, closed] = test.events.slice(mark);
      const { connectionId, correlationId, principal, path } = opened!;
      expect(closed).toMatchObject({ connectionId, correlationId, principal, path });
    }
  });
});

describe('LG-01: a refused handshake is told once, by the id in its body', () => {
  const long = Object.fromEntries(Array.from({ length: 110 }, (_, index) => [`X-${index}`, '1']));
  const cases: [
    what: string,
    parts: (test: TestApp) => HandshakeParts | Promise<HandshakeParts>,
    told: string,
  ][] = [
    [
      'no key',
      () => ({ headers: { 'Sec-WebSocket-Key': undefined } }),
      'input_validation_fail refused websocket_key 400',
    ],
    [
      'two hosts',
      () => ({ headers: { Host: ['localhost', 'localhost'] } }),
      'input_validation_fail refused duplicate_header_host 400',
    ],
    ['a POST', () => ({ method: 'POST' }), 'input_validation_fail refused method_not_get 405'],
    [
      'version 8',
      () => ({ headers: { 'Sec-WebSocket-Version': '8' } }),
      'input_validation_fail refused websocket_version 426',
    ],
    ['many headers', () => ({ headers: long }), 'input_validation_fail refused too_many_headers 431'],
    [
      'another host',
      () => ({ headers: { Host: 'evil.example' } }),
      'malicious_csrf refused host_not_allowed 421',
    ],
    [
      'another path',
      () => ({ target: '/nowhere?room=1' }),
      'input_validation_fail refused no_gateway_on_path 404',
    ],
    [
      'another origin',
      () => ({ headers: { Origin: 'https://evil.example' } }),
      'malicious_csrf refused origin_not_allowed 403',
    ],
    [
      'a cookie without origin',
      () => ({ headers: { Origin: undefined, Cookie: 'a=b' } }),
      'malicious_csrf refused origin_missing_beside_cookie 403',
    ],
    [
      'an unknown subprotocol',
      () => ({ headers: { 'Sec-WebSocket-Protocol': 'x' } }),
      'input_validation_fail refused no_common_subprotocol 400',
    ],
    [
      'a token in the URL',
      (test) => ({ target: `/ws?token=${test.token()}` }),
      'authn_login_fail refused credential_in_url 400',
    ],
    [
      'two credentials',
      (test) => ({ target: '/ws?ticket=x', ...bearer(test.token()) }),
      'authn_login_fail refused multiple_credentials 400',
    ],
    [
      'two cookies',
      () => ({ headers: { Cookie: '__Host-sid=a; __Host-sid=b' } }),
      'authn_login_fail refused cookie_tossing_suspected 400',
    ],
    ['nothing', () => ({}), 'authn_login_fail refused credential_missing 401'],
    ['a bad token', (test) => bearer(`${test.token()}x`), 'authn_login_fail refused token_signature 401'],
    [
      'an old token',
      (test) => bearer(test.token({ iat: 1, exp: 2 })),
      'authn_login_fail refused token_expired 401',
    ],
    [
      'an unknown ticket',
      () => ticketIn(`wst_${'a'.repeat(16)}.${'b'.repeat(43)}`),
      'authn_login_fail refused ticket_unknown 401',
    ],
    [
      'a dead session',
      () => cookie(`${'a'.repeat(16)}.${'b'.repeat(43)}`),
      'session_use_after_expire refused session_unknown 401',
    ],
    [
      'a dead session in a token',
      (test) => bearer(test.token({ sid: `${'a'.repeat(16)}.${'b'.repeat(22)}` })),
      'authn_login_fail refused session_of_another_user 401',
    ],
  ];

  it.each(cases)('%s', async (_, parts, expected) => {
    const test = await start({ hosts: ['localhost'] });
    const client = await connect(test, await parts(test));
    const { body, status } = await client.response();
    await client.end();
    expect(await eventsSince(test, 0)).toEqual([expected]);
    const [event] = test.events;
    expect(event!.status).toBe(status);
    expect(event!.correlationId).toBe(JSON.parse(body).correlationId);
    expect(event!.ip).toBe('127.0.0.1');
    expect(event!.path ?? '/').not.toContain('?');
  });

  it('a replay', async () => {
    const test = await start();
    const { session } = await test.sessions.create({ userId: 'ada' });
    const { ticket } = await test.tickets.issue({ session: session.id });
    await upgraded(test, ticketIn(ticket));
    const mark = test.events.length;
    const { body } = await (await connect(test, ticketIn(ticket))).response();
    expect(await eventsSince(test, mark)).toEqual(['authn_token_reuse refused ticket_replayed 401']);
    expect(test.events[mark]).toMatchObject({
      correlationId: JSON.parse(body).correlationId,
      method: 'ticket',
      ticketRef: test.events[mark - 1]!.ticketRef,
    });
  });

  it('a limit, a rate, a role, and who cannot tell', async () => {
    @WsRoles('admin')
    @WsAuth()
    @WebSocketGateway({ path: '/admin' })
    class AdminGateway {}
    const test = await start(
      { connections: { maxPerUser: 1 }, handshake: { connectRate: { limit: 6, burst: 6 } } },
      { gateways: [makeChatGateway(), AdminGateway] },
    );
    const refused = async (parts: HandshakeParts): Promise<string> => {
      const mark = test.events.length;
      const { body } = await (await connect(test, parts)).response();
      const told = await eventsSince(test, mark);
      expect(told).toHaveLength(1);
      expect(test.events[mark]!.correlationId).toBe(JSON.parse(body).correlationId);
      return told[0]!;
    };
    await upgraded(test, bearer(test.token()));
    expect(await refused(bearer(test.token()))).toBe('excess_sessions_exceeded refused limit_of_user 429');
    expect(await refused({ ...bearer(test.token({ sub: 'bob' })), target: '/admin' })).toBe(
      'authz_fail refused gateway_roles 403',
    );
    const restore = interpose(test.engine.verifier!, 'verify', () => () => {
      throw new Error('the key server is away');
    });
    expect(await refused(bearer(test.token()))).toBe('sys_refused refused verifier_failed 503');
    restore();
    interpose(test.engine.stores.connections, 'admit', () => async () => {
      throw new Error('away');
    });
    expect(await refused(bearer(test.token()))).toBe('sys_refused refused verifier_failed 503');
    await refused(bearer(test.token()));
    expect(await refused(bearer(test.token()))).toBe('excess_rate_limit_exceeded refused connect_rate 429');
  });

  it('a client that is gone before the decision', async () => {
    const verifier = new HeldVerifier();
    const test = await start({}, { engine: { verifier } });
    const client = await connect(test, bearer('held'));
    const held = await verifier.call();
    client.reset();
    await eventually(() => test.events.length > 0);
    held.accept();
    expect(await eventsSince(test, 0)).toEqual(['sys_refused refused client_gone 503']);
  });

  it('a revocation that overtook it, which is no close of a connection that never was', async () => {
    const test = await start();
    const { session } = await test.sessions.create({ userId: 'ada' });
    const held = holdCalls(test.engine.stores.connections, 'admit', 'after');
    const mark = test.events.length;
    const client = await connect(test, bearer(test.token({ sid: session.id })));
    await held.arrived();
    await test.sessions.revoke({ session: session.id });
    held.release();
    const { body } = await client.response();
    expect(await eventsSince(test, mark)).toEqual([
      'authn_token_revoked success revoked',
      'authn_login_fail refused revoked 401',
    ]);
    expect(test.events.at(-1)!.correlationId).toBe(JSON.parse(body).correlationId);
  });

  it('to a browser by close code, once as well', async () => {
    const test = await start({ handshake: { refuseBrowsersWith: 'close-code' } });
    const cases: [parts: HandshakeParts, told: string][] = [
      [{}, 'authn_login_fail refused credential_missing 4401'],
      [{ target: '/ws?token=x' }, 'authn_login_fail refused credential_in_url 4400'],
      [ticketIn('wst_x'), 'authn_login_fail refused ticket_malformed 4401'],
    ];
    for (const [parts, expected] of cases) {
      const mark = test.events.length;
      const client = await upgraded(test, parts);
      const { reason } = await client.closed();
      client.write(closeBytes());
      client.finish();
      await client.end();
      expect(await eventsSince(test, mark)).toEqual([expected]);
      expect(test.events[mark]!.correlationId).toBe(idIn(reason));
    }
  });
});

describe('LG-01: a socket that waits for its first message is told of once', () => {
  const badAuth: [what: string, frame: Buffer, told: string][] = [
    ['binary', frameBytes('x', OPCODE.binary), 'input_validation_fail refused binary_before_auth 1003'],
    ['too big', frameBytes('x'.repeat(9_000)), 'input_validation_fail refused auth_frame_too_big 1009'],
    ['no JSON', frameBytes('x'), 'input_validation_fail refused auth_frame_malformed 4400'],
    ['another event', messageBytes('echo'), 'authn_login_fail refused message_before_auth 4401'],
    ['no ticket', messageBytes('auth', { ticket: 1 }), 'authn_login_fail refused credential_unusable 4401'],
    ['a bad token', messageBytes('auth', { token: 'x' }), 'authn_login_fail refused token_malformed 4401'],
  ];

  it.each(badAuth)('%s, by the id in the close reason', async (_, frame, expected) => {
    const test = await startWaiting();
    const client = await upgraded(test, {}, frame);
    const { reason, code } = await client.closed();
    client.write(closeBytes());
    client.finish();
    await client.end();
    expect(await eventsSince(test, 0)).toEqual([expected]);
    expect(test.events[0]).toMatchObject({ correlationId: idIn(reason), closeCode: code, path: '/ws' });
  });

  it('when its time is up', async () => {
    const test = await startWaiting({ firstMessage: { timeoutMs: 100 } });
    const client = await upgraded(test);
    const { reason } = await client.closed();
    client.write(closeBytes());
    client.finish();
    await client.end();
    expect(await eventsSince(test, 0)).toEqual(['authn_login_fail refused auth_timeout 4408']);
    expect(test.events[0]!.correlationId).toBe(idIn(reason));
  });

  it('in the words of the project, whatever codes go over the wire', async () => {
    const test = await startWaiting({ closeCodes: 'iana' });
    const client = await upgraded(test, {}, messageBytes('auth', { token: 'x' }));
    expect((await client.closed()).code).toBe(3000);
    expect(await eventsSince(test, 0)).toEqual(['authn_login_fail refused token_malformed 3000']);
  });

  it.each([
    ['breaks the protocol', frameBytes('x', 3), 1002],
    ['declares a GiB', Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]), 1009],
    ['leaves', closeBytes(1000), 1000],
  ])('when it %s', async (_, bytes, code) => {
    const test = await startWaiting();
    const client = await upgraded(test, {}, bytes);
    expect(await client.closed()).toMatchObject({ code });
    client.finish();
    await client.end();
    await eventually(() => test.engine.authenticator.counts.waiting === 0);
    expect(await eventsSince(test, 0)).toHaveLength(1);
    expect(test.events[0]).toMatchObject({ path: '/ws', ip: '127.0.0.1' });
  });

  it('when there are too many', async () => {
    const test = await startWaiting({ firstMessage: { maxWaitingPerAddress: 1 } });
    await upgraded(test);
    const { body } = await (await connect(test)).response();
    expect(await eventsSince(test, 0)).toEqual([
      'excess_rate_limit_exceeded refused too_many_waiting_of_address 429',
    ]);
    expect(test.events[0]!.correlationId).toBe(JSON.parse(body).correlationId);
  });
});

describe('LG-01: the end of a connection is told once, by the id in the close reason', () => {
  async function live(test: TestApp, parts: HandshakeParts): Promise<RawClient> {
    const client = await upgraded(test, parts);
    return client;
  }

  async function expectEnd(
    test: TestApp,
    mark: number,
    client: RawClient,
    expected: string[],
  ): Promise<void> {
    const { reason, code } = await client.closed();
    client.write(closeBytes());
    client.finish();
    await client.end();
    expect(await eventsSince(test, mark)).toEqual(expected);
    const ends = test.events.slice(mark).filter(({ outcome }) => outcome === 'closed');
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({ closeCode: code, correlationId: idIn(reason) });
    const admission = test.events.find(({ connectionId }) => connectionId === ends[0]!.connectionId);
    expect(admission!.correlationId).toBe(idIn(reason));
  }

  it('by revocation, with the reason that was given', async () => {
    const test = await start();
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    const client = await live(test, cookie(token));
    const mark = test.events.length;
    await test.sessions.revoke({ session: session.id, reason: 'password_changed' });
    await expectEnd(test, mark, client, [
      'connection_closed closed password_changed 4410',
      'authn_token_revoked success password_changed',
    ]);
    expect(test.events.at(-1)!.sockets).toBe(1);
  });

  it('by logout', async () => {
    const test = await start();
    const { token } = await test.sessions.create({ userId: 'ada' });
    const client = await live(test, cookie(token));
    const mark = test.events.length;
    await post(test, '/ws-auth/logout', { Cookie: `__Host-sid=${token}` });
    await expectEnd(test, mark, client, [
      'connection_closed closed logout 4410',
      'session_logout success logout',
    ]);
  });

  it('by expiry', async () => {
    const test = await start({ session: { idleMs: 200 } });
    const { token } = await test.sessions.create({ userId: 'ada' });
    const client = await live(test, cookie(token));
    await expectEnd(test, test.events.length, client, ['session_expired closed expired 4419']);
  });

  it('by a newer one', async () => {
    const test = await start({ connections: { maxPerUser: 1, onLimit: 'replace-oldest' } });
    const client = await live(test, bearer(test.token()));
    const mark = test.events.length;
    await live(test, bearer(test.token()));
    await expectEnd(test, mark, client, [
      'excess_sessions_exceeded closed replaced 4409',
      'authn_login_success success admitted',
    ]);
  });

  it('by the operator', async () => {
    const test = await start();
    const client = await live(test, bearer(test.token()));
    const mark = test.events.length;
    test.connections.close({ user: 'ada' });
    await expectEnd(test, mark, client, ['connection_closed closed forbidden 4403']);
  });

  it('by binary', async () => {
    const test = await start();
    const client = await live(test, bearer(test.token()));
    const mark = test.events.length;
    client.write(frameBytes('x', OPCODE.binary));
    await expectEnd(test, mark, client, ['connection_closed closed binary_frame 1003']);
  });

  it('by a handleConnection that fails', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class BrokenGateway {
      handleConnection() {
        throw new Error('broken');
      }
    }
    const test = await start({}, { gateways: [BrokenGateway] });
    const client = await live(test, bearer(test.token()));
    await expectEnd(test, 0, client, [
      'authn_login_success success admitted',
      'connection_closed closed handle_connection_failed 1011',
    ]);
  });

  it('by a refresh that fails: the refusal, and the end', async () => {
    const test = await start();
    const client = await live(test, bearer(test.token()));
    const mark = test.events.length;
    client.send('auth', { token: test.token({ sub: 'eve' }) });
    await expectEnd(test, mark, client, [
      'authz_fail refused identity_switch 403',
      'connection_closed closed identity_switch 4403',
    ]);
  });

  it('by a shutdown', async () => {
    const test = await start();
    const client = await live(test, bearer(test.token()));
    const mark = test.events.length;
    const closing = test.close();
    open.splice(0);
    const { reason, code } = await client.closed();
    client.destroy();
    await closing;
    expect(code).toBe(1012);
    expect(await eventsSince(test, mark)).toEqual(['connection_closed closed restart 1012']);
    expect(test.events[mark]!.correlationId).toBe(idIn(reason));
  });
});

describe('LG-01: what happens in between is told once', () => {
  it('a refresh', async () => {
    const test = await start();
    const client = await upgraded(test, {
      headers: { ...bearer(test.token()).headers, 'Sec-WebSocket-Protocol': 'ws-auth.v1' },
    });
    await client.messageOf('auth.ok');
    const mark = test.events.length;
    client.send('auth.refresh', { token: test.token() });
    await client.messageOf('auth.ok');
    expect(await eventsSince(test, mark)).toEqual(['authn_login_success success refreshed']);
    expect(test.events[mark]!.connectionId).toBe(test.connections.local()[0]!.id);
  });

  it('a message that is refused, and none that is handled', async () => {
    const test = await start();
    const client = await upgraded(test, bearer(test.token()));
    const mark = test.events.length;
    client.write(messageBytes('echo', 1), messageBytes('unknown'), frameBytes('x'), messageBytes('admin'));
    for (let answers = 0; answers < 4; answers += 1) await client.message();
    expect((await eventsSince(test, mark)).toSorted()).toEqual([
      'authz_fail refused message_roles',
      'input_validation_fail refused bad_message',
      'input_validation_fail refused unknown_event',
    ]);
    expect(test.events[mark]!.correlationId).toBe(test.events[0]!.correlationId);
  });

  it('a change of rights, a rotation, a ticket', async () => {
    const test = await start();
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    await upgraded(test, cookie(token));
    const mark = test.events.length;
    await test.sessions.setRoles({ session: session.id }, { roles: ['admin'] });
    await test.sessions.rotate(token);
    await test.tickets.issue({ principal: { id: 'ada' } });
    expect(await eventsSince(test, mark)).toEqual([
      'authz_change success rights_changed',
      'session_renewed success rotated',
      'authn_token_created success ticket_issued',
    ]);
  });

  it('a ticket that is refused outside of a handshake', async () => {
    const test = await start();
    const mark = test.events.length;
    const ticket = `wst_${'a'.repeat(16)}.${'b'.repeat(43)}`;
    await post(test, '/ws-auth/cookie', {}, { ticket });
    expect(await eventsSince(test, mark)).toEqual(['authn_login_fail refused ticket_unknown']);
  });

  it('and nothing of what a public gateway says after its admission', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class QuietGateway {
      @SubscribeMessage('quiet')
      quiet() {}
    }
    const test = await start({}, { gateways: [QuietGateway] });
    const client = await upgraded(test, bearer(test.token()));
    client.write(messageBytes('quiet'), closeBytes());
    await client.closed();
    client.finish();
    await client.end();
    expect(await eventsSince(test, 0)).toEqual([
      'authn_login_success success admitted',
      'connection_closed closed client_left 1000',
    ]);
  });
});

describe('LG-05: a listener that fails', () => {
  it('ends nothing, and is counted', async () => {
    const test = await start();
    test.engine.audit.subscribe(() => {
      throw new Error('sink');
    });
    test.engine.audit.subscribe(() => Promise.reject(new Error('sink')));
    const client = await upgraded(test, bearer(test.token()));
    client.send('echo', 1);
    expect(await client.message()).toEqual({ event: 'echo', data: 1 });
    expect(await eventsSince(test, 0)).toHaveLength(1);
    expect(test.engine.audit.dropped).toBe(2);
  });

  it('LG-03: no event is more than one line of the log, whatever it holds', async () => {
    const test = await start();
    const nasty = '\u0085FAKE\u009b31m';
    const client = await RawClient.connect(test.port);
    clients.push(client);
    client.socket.write(
      Buffer.from(
        `GET /ws%0aFAKE HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://app.example${nasty}${'x'.repeat(2_000)}\r\n\r\n`,
        'latin1',
      ),
    );
    await client.response();
    expect(await eventsSince(test, 0)).toHaveLength(1);
    const line = test.logger.lines.find((text) => text.includes('FAKE'))!;
    expect(line).toMatch(/^log [\x20-\x7e\u2026]+$/);
    expect(Buffer.byteLength(line)).toBeLessThan(4_096);
  });
});
