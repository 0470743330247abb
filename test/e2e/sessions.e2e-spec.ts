import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import type { Server } from 'ws';
import { userHashOf } from '../../lib/core/identifiers.js';
import {
  CLOSE,
  type CredentialKind,
  SessionUnknown,
  WsAuth,
  type WsAuthOptions,
  WsAuthError,
  wsConnection,
} from '../../lib/index.js';
import { ISSUER, ORIGIN, startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { holdCalls, interpose } from '../support/interpose.js';
import { closeBytes, frameBytes, messageBytes, OPCODE, RawClient } from '../support/raw-client.js';
import { expectRefusal } from '../support/refusal.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

async function start(options: Partial<WsAuthOptions> = {}, gateway: new () => object = makeChatGateway()) {
  const test = await startApp({ gateways: [gateway], options });
  open.push(test);
  return test;
}

/** A credential, as the parts of a handshake that carries it. */
interface Credential {
  target?: string;
  headers?: Record<string, string>;
}

const bearer = (token: string): Credential => ({ headers: { Authorization: `Bearer ${token}` } });
const cookie = (token: string): Credential => ({ headers: { Cookie: `__Host-sid=${token}` } });
const ticketIn = (ticket: string): Credential => ({ target: `/ws?ticket=${ticket}` });

async function connect(test: TestApp, credential: Credential): Promise<RawClient> {
  const client = await RawClient.open(test.port, credential);
  clients.push(client);
  return client;
}

/** Connects where nobody is greeted. */
async function upgraded(test: TestApp, credential: Credential): Promise<RawClient> {
  const client = await connect(test, credential);
  await client.upgraded();
  return client;
}

/** Connects and reads `auth.ok`. */
async function admitted(test: TestApp, credential: Credential): Promise<RawClient> {
  const client = await connect(test, credential);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

/** Proves that a client is still served. */
async function expectServed(client: RawClient): Promise<void> {
  client.send('echo', 'served');
  expect(await client.message()).toEqual({ event: 'echo', data: 'served' });
}

async function expectClosed(client: RawClient, code: number, word: string): Promise<void> {
  const close = await client.closed();
  expect(close.code).toBe(code);
  // Who ends by time is told ahead.
  expect(close.before.filter((text) => !text.startsWith('{"event":"auth.expiring"'))).toEqual([]);
  expect(close.reason).toMatch(new RegExp(`^${word};id=[\\w-]{12}$`));
}

/** A credential without session is dead when it is as old as the cut, to the second: this one is older. */
const aSecondAgo = (): number => Math.floor(Date.now() / 1_000) - 1;

describe('SE-01: revocation', () => {
  it('by session closes its sockets 4410, and no others', async () => {
    const test = await start();
    const mine = await test.sessions.create({ userId: 'ada' });
    const phone = await test.sessions.create({ userId: 'ada' });
    const other = await test.sessions.create({ userId: 'bob' });
    const gone = [
      await admitted(test, cookie(mine.token)),
      await admitted(test, ticketIn((await test.tickets.issue({ session: mine.session.id })).ticket)),
      await admitted(test, bearer(test.token({ sid: mine.session.id }))),
    ];
    const left = [
      await admitted(test, cookie(phone.token)),
      await admitted(test, cookie(other.token)),
      await admitted(test, bearer(test.token())),
    ];
    expect(await test.sessions.revoke({ session: mine.session.id })).toEqual({
      sockets: 3,
      nodes: 1,
      pending: 0,
    });
    for (const client of gone) await expectClosed(client, 4410, 'revoked');
    for (const client of left) await expectServed(client);
    expect(await test.sessions.get(mine.session.id)).toBeNull();
    expect(await test.sessions.revoke({ session: mine.session.id })).toEqual({
      sockets: 0,
      nodes: 1,
      pending: 0,
    });
  });

  it('takes a session by its token too', async () => {
    const test = await start();
    const { token } = await test.sessions.create({ userId: 'ada' });
    const client = await admitted(test, cookie(token));
    expect(await test.sessions.revoke({ session: token })).toMatchObject({ sockets: 1 });
    await expectClosed(client, 4410, 'revoked');
  });

  it('by user closes every socket of that user, whatever opened it', async () => {
    const test = await start();
    const first = await test.sessions.create({ userId: 'ada' });
    const second = await test.sessions.create({ userId: 'ada' });
    const principal = await test.tickets.issue({ principal: { id: 'ada' } });
    const gone = [
      await admitted(test, cookie(first.token)),
      await admitted(test, cookie(second.token)),
      await admitted(test, bearer(test.token({ iat: aSecondAgo() }))),
      await admitted(test, ticketIn(principal.ticket)),
    ];
    const other = await admitted(test, bearer(test.token({ sub: 'adam' })));
    expect(await test.sessions.revoke({ user: 'ada' })).toEqual({ sockets: 4, nodes: 1, pending: 0 });
    for (const client of gone) await expectClosed(client, 4410, 'revoked');
    await expectServed(other);
    expect(await test.sessions.list('ada')).toEqual([]);
  });

  it('of all but one session keeps that one, its sockets and its future', async () => {
    const test = await start();
    const kept = await test.sessions.create({ userId: 'ada' });
    const lost = await test.sessions.create({ userId: 'ada' });
    const staying = await admitted(test, cookie(kept.token));
    const leaving = await admitted(test, cookie(lost.token));
    const token = await admitted(test, bearer(test.token({ iat: aSecondAgo() })));
    expect(await test.sessions.revoke({ user: 'ada', except: kept.session.id })).toMatchObject({
      sockets: 2,
    });
    await expectClosed(leaving, 4410, 'revoked');
    await expectClosed(token, 4410, 'revoked');
    await expectServed(staying);
    await expectServed(await admitted(test, cookie(kept.token)));
    // A later cut at the time of the first does not reach what was kept.
    expect(await test.sessions.revoke({ user: 'ada', issuedBefore: Date.now() - 60_000 })).toMatchObject({
      sockets: 0,
    });
    await expectServed(staying);
    expect((await test.sessions.list('ada')).map(({ id }) => id)).toEqual([kept.session.id]);
  });

  it('of what was issued before a time leaves what came later', async () => {
    const test = await start();
    const now = Date.now();
    const old = await test.sessions.create({ userId: 'ada', authenticatedAt: now - 60_000 });
    const young = await test.sessions.create({ userId: 'ada', authenticatedAt: now - 1_000 });
    const seconds = Math.floor(now / 1_000);
    const oldClients = [
      await admitted(test, cookie(old.token)),
      await admitted(test, bearer(test.token({ iat: seconds - 120 }))),
    ];
    const youngClients = [
      await admitted(test, cookie(young.token)),
      await admitted(test, bearer(test.token({ iat: seconds - 10 }))),
    ];
    const cut = new Date(now - 30_000);
    expect(await test.sessions.revoke({ user: 'ada', issuedBefore: cut })).toMatchObject({ sockets: 2 });
    for (const client of oldClients) await expectClosed(client, 4410, 'revoked');
    for (const client of youngClients) await expectServed(client);
    await expectRefusal(await connect(test, bearer(test.token({ iat: seconds - 31 }))), 'unauthorized', {
      'www-authenticate': 'Bearer realm="ws", error="invalid_token"',
    });
    await expectServed(await admitted(test, bearer(test.token({ iat: seconds - 29 }))));
  });

  it('of everyone closes all, and lets logins of the same second in', async () => {
    const test = await start({ credentials: ['bearer', 'cookie'] });
    const sessions = [];
    for (const userId of ['ada', 'bob', 'eve']) sessions.push(await test.sessions.create({ userId }));
    const gone: RawClient[] = [];
    for (const { token } of sessions) gone.push(await upgraded(test, cookie(token)));
    gone.push(await upgraded(test, bearer(test.token({ iat: aSecondAgo() }))));
    expect(await test.sessions.revoke({ everyone: true })).toEqual({ sockets: 4, nodes: 1, pending: 0 });
    const again = await test.sessions.create({ userId: 'ada' });
    for (const client of gone) await expectClosed(client, 4410, 'revoked');
    for (const { token } of sessions) {
      await expectRefusal(await connect(test, cookie(token)), 'unauthorized', {
        'www-authenticate': 'Bearer realm="ws", error="invalid_token"',
      });
    }
    await expectServed(await upgraded(test, cookie(again.token)));
  });

  it('SE-06: of a user lets a login of the same millisecond in', async () => {
    const test = await start();
    for (let round = 0; round < 20; round += 1) {
      const before = await test.sessions.create({ userId: 'ada' });
      const [, after] = await Promise.all([
        test.sessions.revoke({ user: 'ada' }),
        Promise.resolve()
          .then(() => {})
          .then(() => test.sessions.create({ userId: 'ada' })),
      ]);
      expect(await test.sessions.get(before.session.id)).toBeNull();
      expect(await test.sessions.get(after.session.id)).not.toBeNull();
    }
  });

  it.each(['the JWT itself', 'its reference'])(
    'by token (%s) closes the sockets of that token alone',
    async (how) => {
      const test = await start();
      const exp = Math.floor(Date.now() / 1_000) + 300;
      const { session } = await test.sessions.create({ userId: 'ada' });
      const jwt = test.token({ jti: 'stolen', exp });
      const named = test.token({ jti: 'stolen', exp, sid: session.id });
      const gone = [await admitted(test, bearer(jwt)), await admitted(test, bearer(named))];
      const left = [
        await admitted(test, bearer(test.token({ jti: 'other' }))),
        await admitted(test, bearer(test.token({ sid: session.id }))),
      ];
      const token =
        how === 'the JWT itself'
          ? jwt
          : { issuer: ISSUER, jti: 'stolen', subject: 'ada', expiresAt: exp * 1_000 };
      expect(await test.sessions.revoke({ token })).toEqual({ sockets: 2, nodes: 1, pending: 0 });
      for (const client of gone) await expectClosed(client, 4410, 'revoked');
      for (const client of left) await expectServed(client);
      for (const dead of [jwt, named]) {
        await expectRefusal(await connect(test, bearer(dead)), 'unauthorized', {
          'www-authenticate': 'Bearer realm="ws", error="invalid_token"',
        });
      }
      // JW-05: by its jti, not by its text.
      await expectRefusal(await connect(test, bearer(test.token({ jti: 'stolen' }))), 'unauthorized', {
        'www-authenticate': 'Bearer realm="ws", error="invalid_token"',
      });
    },
  );

  it('refuses a token that does not verify, and a selector that names nothing or two things', async () => {
    const test = await start();
    const client = await admitted(test, bearer(test.token()));
    await expect(test.sessions.revoke({ token: `${test.token()}x` })).rejects.toMatchObject({
      code: 'token_rejected',
    });
    for (const selector of [
      {},
      { user: 'ada', everyone: true as const },
      { session: 'x' },
      { session: 'x', except: 'y' },
    ]) {
      await expect(test.sessions.revoke(selector)).rejects.toBeInstanceOf(WsAuthError);
    }
    await expectServed(client);
  });
});

describe('SE-06: what was revoked does not come back', () => {
  const INVALID = { 'www-authenticate': 'Bearer realm="ws", error="invalid_token"' };

  it.each(['session', 'user', 'everyone'])('by any credential of a session (revoked by %s)', async (by) => {
    const test = await start({ credentials: ['ticket', 'bearer', 'cookie'] });
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    const jwt = test.token({ sid: session.id });
    const tickets = await Promise.all(
      [0, 1].map(async () => (await test.tickets.issue({ session: session.id })).ticket),
    );
    await test.sessions.revoke(
      by === 'session' ? { session: session.id } : by === 'user' ? { user: 'ada' } : { everyone: true },
    );
    const dead: Credential[] = [
      cookie(token),
      bearer(jwt),
      ticketIn(tickets[0]!),
      { headers: { 'Sec-WebSocket-Protocol': `ws-auth.v1, ticket.ws-auth.${tickets[1]}` } },
      bearer(test.token({ sid: session.id })),
    ];
    for (const credential of dead) {
      await expectRefusal(await connect(test, credential), 'unauthorized', INVALID);
    }
    await expect(test.tickets.issue({ session: session.id })).rejects.toBeInstanceOf(SessionUnknown);
    await expect(test.sessions.rotate(token)).rejects.toBeInstanceOf(SessionUnknown);
    expect(await test.sessions.touch(token)).toBe(false);
    expect(test.connections.local()).toEqual([]);
  });

  it('by first message either', async () => {
    const test = await start();
    const { session } = await test.sessions.create({ userId: 'ada' });
    const { ticket } = await test.tickets.issue({ session: session.id });
    await test.sessions.revoke({ session: session.id });
    for (const data of [{ ticket }, { token: test.token({ sid: session.id }) }]) {
      const client = await connect(test, {});
      await client.upgraded();
      await client.messageOf('auth.required');
      client.send('auth', data);
      await expectClosed(client, 4401, 'unauthorized');
    }
  });

  it('CK-04: a session id that a client makes up is not adopted', async () => {
    const test = await start({ credentials: ['cookie', 'bearer'] });
    const madeUp = `${'a'.repeat(16)}.${'b'.repeat(43)}`;
    await expectRefusal(await connect(test, cookie(madeUp)), 'unauthorized', INVALID);
    const { token } = await test.sessions.create({ userId: 'ada' });
    expect(token).not.toBe(madeUp);
    await expectRefusal(await connect(test, cookie(madeUp)), 'unauthorized', INVALID);
  });
});

describe('SE-03: revocation during an upgrade wins', () => {
  /** Says of every socket that it is shown whether it may still speak. */
  function makeWitness() {
    const shown: boolean[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class WitnessGateway {
      static readonly shown = shown;
      static server: Server;
      afterInit(server: Server) {
        WitnessGateway.server = server;
      }
      handleConnection(client: object) {
        shown.push(wsConnection(client).isOpen);
      }
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'echo', data };
      }
    }
    return WitnessGateway;
  }

  async function expectNobodyShown(test: TestApp, witness: ReturnType<typeof makeWitness>): Promise<void> {
    expect(witness.shown).toEqual([]);
    expect(test.connections.local()).toEqual([]);
    const userHash = userHashOf(test.engine.keys.userHash, 'ada');
    expect(await test.engine.stores.connections.countOf(userHash)).toBe(0);
    const { authenticator } = test.engine;
    await eventually(() => authenticator.counts.pending === 0 && authenticator.counts.waiting === 0);
  }

  it('while the token is verified', async () => {
    const Witness = makeWitness();
    const test = await start({}, Witness);
    const { session } = await test.sessions.create({ userId: 'ada' });
    const held = holdCalls(test.engine.verifier!, 'verify', 'after');
    const client = await connect(test, bearer(test.token({ sid: session.id })));
    await held.arrived();
    await test.sessions.revoke({ session: session.id });
    held.release();
    expect(await client.response()).toMatchObject({ status: 401 });
    await client.end();
    await expectNobodyShown(test, Witness);
  });

  it.each(['session', 'user', 'everyone', 'token'])(
    'after the store has admitted, before the node knows (by %s)',
    async (by) => {
      const Witness = makeWitness();
      const test = await start({}, Witness);
      const { session } = await test.sessions.create({ userId: 'ada' });
      const held = holdCalls(test.engine.stores.connections, 'admit', 'after');
      const exp = Math.floor(Date.now() / 1_000) + 300;
      const client = await connect(test, bearer(test.token({ sid: session.id, jti: 'one', exp })));
      await held.arrived();
      const selector = {
        session: { session: session.id },
        user: { user: 'ada' },
        everyone: { everyone: true as const },
        token: { token: { issuer: ISSUER, jti: 'one', subject: 'ada', expiresAt: exp * 1_000 } },
      }[by]!;
      expect(await test.sessions.revoke(selector)).toMatchObject({ sockets: 0 });
      held.release();
      expect(await client.response()).toMatchObject({ status: 401 });
      await client.end();
      await expectNobodyShown(test, Witness);
    },
  );

  it('after the store has admitted a first message', async () => {
    const Witness = makeWitness();
    const test = await start({}, Witness);
    const { session } = await test.sessions.create({ userId: 'ada' });
    const { ticket } = await test.tickets.issue({ session: session.id });
    const held = holdCalls(test.engine.stores.connections, 'admit', 'after');
    const client = await connect(test, {});
    client.write(messageBytes('auth', { ticket }), messageBytes('echo', 'held'));
    await held.arrived();
    await test.sessions.revoke({ session: session.id });
    held.release();
    await client.upgraded();
    await client.messageOf('auth.required');
    await expectClosed(client, 4401, 'unauthorized');
    client.write(closeBytes());
    client.finish();
    await client.end();
    await expectNobodyShown(test, Witness);
  });

  it('within handleUpgrade, when the connection is registered and not yet shown', async () => {
    const Witness = makeWitness();
    const test = await start({}, Witness);
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    interpose(Witness.server, 'handleUpgrade', (handleUpgrade) => (request, socket, head, done) => {
      handleUpgrade(request, socket, head, (client, upgraded) => {
        // What arrives from another node at this very moment.
        const { id: sessionId } = session;
        const userHash = userHashOf(test.engine.keys.userHash, 'ada');
        void test.engine.stores.revocations.append({ kind: 'session', sessionId, userHash }, 'revoked');
        done(client, upgraded);
      });
    });
    const client = await connect(test, cookie(token));
    await client.upgraded();
    await expectClosed(client, 4410, 'revoked');
    client.write(closeBytes());
    client.finish();
    await client.end();
    expect(Witness.shown).not.toContain(false);
    expect(test.connections.local()).toEqual([]);
  });

  it.each(['cookie', 'bearer', 'first-message'])(
    'at every turn between admission and handleConnection (%s)',
    async (kind) => {
      const Witness = makeWitness();
      const atOnce: CredentialKind[] = ['cookie', 'bearer'];
      const credentials = kind === 'first-message' ? [...atOnce, kind as CredentialKind] : atOnce;
      const test = await start({ credentials }, Witness);
      const outcomes = new Set<string>();
      for (let turns = 0; turns < 40; turns += 1) {
        const { session, token } = await test.sessions.create({ userId: 'ada' });
        const userHash = userHashOf(test.engine.keys.userHash, 'ada');
        const revokeLater = async (): Promise<void> => {
          for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
          await test.engine.stores.revocations.append(
            { kind: 'session', sessionId: session.id, userHash },
            'revoked',
          );
        };
        let revoked: Promise<void> | undefined;
        const restore = interpose(test.engine.stores.connections, 'admit', (admit) => async (request) => {
          const answer = await admit(request);
          revoked = revokeLater();
          return answer;
        });
        const client = await connect(
          test,
          kind === 'cookie'
            ? cookie(token)
            : kind === 'bearer'
              ? bearer(test.token({ sid: session.id }))
              : {},
        );
        if (kind === 'first-message') client.send('auth', { token: test.token({ sid: session.id }) });
        const response = await client.response();
        restore();
        if (response.status === 101) {
          const close = await client.closed();
          outcomes.add(String(close.code));
        } else {
          outcomes.add(String(response.status));
        }
        await revoked;
        client.destroy();
      }
      const expected = kind === 'first-message' ? ['4401', '4410'] : ['401', '4410'];
      if (kind === 'cookie') expected.push('4408');
      for (const outcome of outcomes) expect(expected).toContain(outcome);
      expect(Witness.shown).not.toContain(false);
      await eventually(() => Witness.server.clients.size === 0 && test.connections.local().length === 0);
    },
  );
});

describe('SE-09: a change of rights', () => {
  it('holds for the very next message', async () => {
    const test = await start();
    const { session, token } = await test.sessions.create({
      userId: 'ada',
      roles: ['admin'],
      scopes: ['a', 'b'],
    });
    const client = await admitted(test, cookie(token));
    const other = await admitted(
      test,
      cookie((await test.sessions.create({ userId: 'bob', roles: ['admin'] })).token),
    );
    client.send('admin');
    expect(await client.message()).toEqual({ event: 'admin', data: 'ada' });
    expect(await test.sessions.setRoles({ session: session.id }, { roles: ['reader'] })).toBe(1);
    client.send('admin');
    expect(await client.messageOf('exception')).toEqual({
      event: 'exception',
      data: { status: 'error', code: 'forbidden', message: 'not permitted', event: 'admin' },
    });
    client.send('whoami');
    expect((await client.messageOf('whoami')).data).toEqual({
      id: 'ada',
      roles: ['reader'],
      scopes: ['a', 'b'],
    });
    other.send('admin');
    expect(await other.message()).toEqual({ event: 'admin', data: 'bob' });
    expect(await test.sessions.setRoles({ user: 'ada' }, { roles: ['admin'], scopes: [] })).toBe(1);
    client.send('whoami');
    expect((await client.messageOf('whoami')).data).toEqual({ id: 'ada', roles: ['admin'], scopes: [] });
    // And for who comes later.
    const late = await admitted(test, cookie(token));
    late.send('whoami');
    expect((await late.message()).data).toEqual({ id: 'ada', roles: ['admin'], scopes: [] });
  });

  it('widens nothing that a ticket or a token narrows', async () => {
    const test = await start();
    const { session } = await test.sessions.create({
      userId: 'ada',
      roles: ['admin', 'reader'],
      scopes: ['a', 'b'],
    });
    const { ticket } = await test.tickets.issue({ session: session.id, scopes: ['a'] });
    const byTicket = await admitted(test, ticketIn(ticket));
    const byToken = await admitted(test, bearer(test.token({ sid: session.id, roles: ['reader'] })));
    await test.sessions.setRoles(
      { session: session.id },
      { roles: ['admin', 'reader', 'root'], scopes: ['a', 'b', 'c'] },
    );
    byTicket.send('whoami');
    expect((await byTicket.messageOf('whoami')).data).toMatchObject({
      roles: ['admin', 'reader', 'root'],
      scopes: ['a'],
    });
    byToken.send('whoami');
    expect((await byToken.messageOf('whoami')).data).toMatchObject({
      roles: ['reader'],
      scopes: ['a', 'b', 'c'],
    });
  });
});

describe('CK-04: rotate', () => {
  it('moves the sockets, and kills the old cookie at once', async () => {
    const test = await start({ credentials: ['ticket', 'bearer', 'cookie'] });
    const { session, token } = await test.sessions.create({ userId: 'ada', roles: ['admin'], data: 'phone' });
    const client = await connect(test, cookie(token));
    await client.upgraded();
    const rotated = await test.sessions.rotate(token);
    expect(rotated.token).not.toBe(token);
    expect(rotated.session.id).not.toBe(session.id);
    expect(rotated.session).toMatchObject({
      userId: 'ada',
      roles: ['admin'],
      data: 'phone',
      createdAt: session.createdAt,
      absoluteEndsAt: session.absoluteEndsAt,
    });
    await expectServed(client);
    expect(test.connections.local().map((connection) => connection.session?.id)).toEqual([
      rotated.session.id,
    ]);
    for (const dead of [cookie(token), bearer(test.token({ sid: session.id }))]) {
      await expectRefusal(await connect(test, dead), 'unauthorized', {
        'www-authenticate': 'Bearer realm="ws", error="invalid_token"',
      });
    }
    const next = await connect(test, cookie(rotated.token));
    await next.upgraded();
    expect(await test.sessions.revoke({ session: session.id })).toMatchObject({ sockets: 0 });
    expect(await test.sessions.revoke({ session: rotated.session.id })).toMatchObject({ sockets: 2 });
    for (const moved of [client, next]) await expectClosed(moved, 4410, 'revoked');
  });
});

describe('SE-08: sessions end by time', () => {
  it('of idleness, though pings and refused frames go on', async () => {
    const test = await start({ session: { idleMs: 400 } });
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    const client = await admitted(test, cookie(token));
    const begun = performance.now();
    const timer = setInterval(() => {
      client.write(
        frameBytes('x', OPCODE.ping),
        frameBytes('x', OPCODE.pong),
        frameBytes('nonsense'),
        messageBytes('unknown'),
      );
    }, 100);
    const close = await client.closed();
    clearInterval(timer);
    expect(close).toMatchObject({ code: 4419, reason: expect.stringMatching(/^expired;id=/) });
    expect(performance.now() - begun).toBeGreaterThan(300);
    expect(performance.now() - begun).toBeLessThan(400 + 400);
    expect(await test.sessions.get(session.id)).toBeNull();
  });

  it('is put off by application messages, the last one included', async () => {
    const test = await start({ session: { idleMs: 600 } });
    const { token } = await test.sessions.create({ userId: 'ada' });
    const client = await admitted(test, cookie(token));
    const begun = performance.now();
    for (let sent = 0; sent < 10; sent += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await expectServed(client);
    }
    // Silent to a moment before the end, and then one message.
    await new Promise((resolve) => setTimeout(resolve, 480));
    await expectServed(client);
    const last = performance.now();
    const close = await client.closed();
    expect(close.code).toBe(4419);
    expect(performance.now() - last).toBeGreaterThan(500);
    expect(performance.now() - last).toBeLessThan(600 + 500);
    expect(performance.now() - begun).toBeGreaterThan(1_900);
  });

  it('comes in spite of messages where only HTTP requests count as use', async () => {
    const test = await start({ session: { idleMs: 400, extendedBy: 'http' } });
    const { token } = await test.sessions.create({ userId: 'ada' });
    const client = await admitted(test, cookie(token));
    const begun = performance.now();
    const timer = setInterval(() => client.send('echo', 1), 50);
    const close = await client.closed();
    clearInterval(timer);
    expect(close.code).toBe(4419);
    expect(performance.now() - begun).toBeLessThan(400 + 400);
  });

  it('is absolute in the end, whatever is sent', async () => {
    const test = await start({ session: { idleMs: 300, absoluteMs: 700 } });
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    const client = await admitted(test, cookie(token));
    expect(test.connections.local()[0]!.expiresAt).toBe(session.absoluteEndsAt);
    const timer = setInterval(() => client.send('echo', Date.now()), 20);
    const close = await client.closed();
    clearInterval(timer);
    expect(close.code).toBe(4419);
    expect(Date.now()).toBeGreaterThanOrEqual(session.absoluteEndsAt);
    expect(Date.now()).toBeLessThan(session.absoluteEndsAt + 400);
    const messages = close.before.map((text) => JSON.parse(text) as { event: string; data: number });
    const echoes = messages.flatMap(({ event, data }) => (event === 'echo' ? [data] : []));
    expect(echoes.length).toBeGreaterThan(5);
    expect(Math.max(...echoes)).toBeLessThan(session.absoluteEndsAt);
    expect(await test.sessions.touch(token)).toBe(false);
  });

  it('takes all sockets of the session, and those of no other', async () => {
    const test = await start({ session: { idleMs: 400 } });
    const { token } = await test.sessions.create({ userId: 'ada' });
    const two = [await admitted(test, cookie(token)), await admitted(test, cookie(token))];
    const machine = await admitted(test, bearer(test.token()));
    for (const client of two) await expectClosed(client, 4419, 'expired');
    await expectServed(machine);
  });
});

describe('JW-06: a token ends its socket', () => {
  it('at its expiry and the tolerance, within a second', async () => {
    const test = await start();
    const exp = Math.floor(Date.now() / 1_000) - 29;
    const client = await admitted(test, bearer(test.token({ iat: exp - 60, exp })));
    const end = (exp + 30) * 1_000;
    expect(test.connections.local()[0]!.expiresAt).toBe(end);
    await expectClosed(client, 4419, 'expired');
    expect(Date.now()).toBeGreaterThanOrEqual(end);
    expect(Date.now()).toBeLessThan(end + 1_000);
  });

  it('and is refused from then on', async () => {
    const test = await start();
    const exp = Math.floor(Date.now() / 1_000) - 31;
    await expectRefusal(await connect(test, bearer(test.token({ iat: exp - 60, exp }))), 'unauthorized', {
      'www-authenticate': 'Bearer realm="ws", error="invalid_token"',
    });
  });

  it('unless it was refreshed', async () => {
    const test = await start();
    const exp = Math.floor(Date.now() / 1_000) - 29;
    const client = await admitted(test, bearer(test.token({ iat: exp - 60, exp })));
    client.send('auth.refresh', { token: test.token() });
    await client.messageOf('auth.ok');
    await eventually(() => Date.now() > (exp + 30) * 1_000 + 200);
    await expectServed(client);
  });

  it('by a module-wide longest life too', async () => {
    const test = await start({ lifetime: { maxMs: 300 } });
    const begun = performance.now();
    const client = await admitted(test, bearer(test.token()));
    await expectClosed(client, 4419, 'expired');
    expect(performance.now() - begun).toBeLessThan(300 + 400);
  });
});

describe('SE-07: limits of connections', () => {
  const limited: Partial<WsAuthOptions> = { connections: { maxPerSession: 2, maxPerUser: 3 } };

  it('of a session and of a user refuse with 429, and give places back', async () => {
    const test = await start(limited);
    const first = await test.sessions.create({ userId: 'ada' });
    const second = await test.sessions.create({ userId: 'ada' });
    const live = [await admitted(test, cookie(first.token)), await admitted(test, cookie(first.token))];
    await expectRefusal(await connect(test, cookie(first.token)), 'too_many_connections');
    await admitted(test, cookie(second.token));
    await expectRefusal(await connect(test, cookie(second.token)), 'too_many_connections');
    await expectRefusal(await connect(test, bearer(test.token())), 'too_many_connections');
    await admitted(test, bearer(test.token({ sub: 'bob' })));
    live[0]!.reset();
    await eventually(() => test.connections.ofUser('ada').length === 2);
    await admitted(test, cookie(first.token));
    for (const client of live.slice(1)) await expectServed(client);
  });

  it('tell a browser by 4409', async () => {
    const test = await start({ ...limited, handshake: { refuseBrowsersWith: 'close-code' } });
    const { token } = await test.sessions.create({ userId: 'ada' });
    await admitted(test, cookie(token));
    await admitted(test, cookie(token));
    const refused = await connect(test, cookie(token));
    await refused.upgraded();
    const close = await refused.closed();
    expect(close).toMatchObject({ code: 4409, before: [] });
    expect(close.reason).toMatch(/^too_many_connections;retry=\d+;id=[\w-]{12}$/);
  });

  it('hold for twenty who come at once', async () => {
    const test = await start({ connections: { maxPerUser: 3 } });
    const { token } = await test.sessions.create({ userId: 'ada' });
    const all = await Promise.all(Array.from({ length: 20 }, () => connect(test, cookie(token))));
    const statuses = await Promise.all(all.map(async (client) => (await client.response()).status));
    expect(statuses.filter((status) => status === 101)).toHaveLength(3);
    expect(statuses.filter((status) => status === 429)).toHaveLength(17);
    expect(test.connections.ofUser('ada')).toHaveLength(3);
  });

  it('replace the oldest where that is asked for', async () => {
    const test = await start({ connections: { maxPerSession: 2, maxPerUser: 3, onLimit: 'replace-oldest' } });
    const session = await test.sessions.create({ userId: 'ada' });
    const oldest = await admitted(test, cookie(session.token));
    const middle = await admitted(test, cookie(session.token));
    const other = await admitted(test, bearer(test.token()));
    const newest = await admitted(test, cookie(session.token));
    await expectClosed(oldest, 4409, 'replaced');
    const another = await admitted(test, bearer(test.token()));
    await expectClosed(middle, 4409, 'replaced');
    for (const client of [other, newest, another]) await expectServed(client);
    expect(test.connections.ofUser('ada')).toHaveLength(3);
    // Replaced is not revoked: the session is as good as before.
    await admitted(test, cookie(session.token));
    await expectClosed(other, 4409, 'replaced');
  });
});

describe('WsConnections', () => {
  it('lists and closes the connections of this node', async () => {
    const test = await start();
    const ada = await test.sessions.create({ userId: 'ada' });
    const first = await admitted(test, cookie(ada.token));
    const second = await admitted(test, bearer(test.token()));
    const third = await admitted(test, bearer(test.token({ sub: 'bob' })));
    expect(test.connections.local()).toHaveLength(3);
    expect(test.connections.ofUser('ada').map(({ credential }) => credential)).toEqual(['cookie', 'bearer']);
    expect(test.connections.ofUser('nobody')).toEqual([]);
    const [connection] = test.connections.ofUser('bob');
    expect(connection).toMatchObject({
      credential: 'bearer',
      principal: { id: 'bob' },
      session: undefined,
      handshake: {
        path: '/ws',
        query: '',
        origin: ORIGIN,
        address: '127.0.0.1',
        secure: false,
        protocol: '',
      },
    });

    expect(test.connections.close({ connection: connection!.id })).toBe(1);
    await expectClosed(third, 4403, 'forbidden');
    expect(test.connections.close({ connection: connection!.id })).toBe(0);
    expect(test.connections.close({ session: ada.token }, CLOSE.restart)).toBe(1);
    await expectClosed(first, 1012, 'restart');
    expect(test.connections.close({ user: 'ada' }, { code: 4999, word: 'maintenance' })).toBe(1);
    await expectClosed(second, 4999, 'maintenance');
    expect(test.connections.local()).toEqual([]);
    // The credentials are as good as before.
    await expectServed(await admitted(test, cookie(ada.token)));
  });

  it.each([1005, 1006, 1004, 999, 2999, 5000, 4000.5, Number.NaN])(
    'refuses to close with %d, which no frame may carry, and closes nothing (MS-08)',
    async (code) => {
      const test = await start();
      const client = await admitted(test, bearer(test.token()));
      expect(() => test.connections.close({ user: 'ada' }, { code, word: 'x' })).toThrow(WsAuthError);
      await expectServed(client);
      const word = `${'ü'.repeat(100)}`;
      expect(test.connections.close({ user: 'ada' }, { code: 4000, word })).toBe(1);
      expect(Buffer.byteLength((await client.closed()).reason)).toBeLessThanOrEqual(123);
    },
  );
});
