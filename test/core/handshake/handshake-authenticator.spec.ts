import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../../lib/core/connection.js';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import type { GatewayPolicy } from '../../../lib/core/handshake/gateway-policy.js';
import { HandshakeAuthenticator } from '../../../lib/core/handshake/handshake-authenticator.js';
import { HandshakeAttempt } from '../../../lib/core/handshake/handshake-attempt.js';
import { HandshakeRefused, type RefusalCode } from '../../../lib/core/handshake/refusal.js';
import { newSessionToken, sessionIdOf } from '../../../lib/core/identifiers.js';
import type { WsAuthOptions } from '../../../lib/core/options.js';
import type { AdmissionRequest, AdmissionResult } from '../../../lib/core/session/connection-registry.js';
import type { IssuedSession } from '../../../lib/core/session/session-service.js';
import { throttleKey } from '../../../lib/core/throttle/throttle-store.js';
import {
  acceptedBy,
  APP_ORIGIN,
  beginHandshake,
  coreHarness,
  gatewayPolicy,
  GATEWAY_PATH,
  ISSUER,
  latch,
  rawUpgrade,
  record,
  refusalOf,
  settle,
  withAdmissions,
  type CoreHarness,
  type TokenFacts,
  type UpgradeInit,
} from '../../support/core-harness.js';

type Admit = (request: AdmissionRequest, admit: () => Promise<AdmissionResult>) => Promise<AdmissionResult>;

const ANY = new Set(['ticket', 'bearer', 'cookie', 'first-message'] as const);

describe('HandshakeAuthenticator', () => {
  let core: CoreHarness;
  let login: IssuedSession;
  /** Requests for admission that reached the store. */
  let admissions: AdmissionRequest[];
  /** What happens to them there. */
  let onAdmit: Admit;

  async function build(options: Partial<WsAuthOptions> = {}): Promise<void> {
    admissions = [];
    onAdmit = (_, admit) => admit();
    core = coreHarness({
      options,
      wrapStores: (stores) =>
        withAdmissions(stores, (request, admit) => {
          admissions.push(request);
          return onAdmit(request, admit);
        }),
    });
    login = await core.sessions.create({ userId: 'u1', roles: ['member'], scopes: ['read', 'write'] });
    core.events.length = 0;
  }

  beforeEach(() => build());

  const begin = (upgrade: UpgradeInit = {}, policy: Partial<GatewayPolicy> = {}) =>
    beginHandshake(core, upgrade, gatewayPolicy(policy));

  const bearer = (facts: TokenFacts = {}): UpgradeInit => ({
    headers: { authorization: `Bearer ${core.verifier.mint(facts)}` },
  });
  const cookie = (token: string): UpgradeInit => ({ headers: { cookie: `__Host-sid=${token}` } });
  const ticketIn = (ticket: string): UpgradeInit => ({ url: `${GATEWAY_PATH}?ticket=${ticket}` });
  const both = (one: UpgradeInit, two: UpgradeInit): UpgradeInit => ({
    ...one,
    ...two,
    headers: { ...one.headers, ...two.headers },
  });

  const issue = async (
    init: Partial<Parameters<CoreHarness['tickets']['issue']>[0]> = {},
  ): Promise<string> => {
    const owner = init.principal ? {} : { session: login.session.id };
    return (await core.tickets.issue({ ...owner, ...init })).ticket;
  };

  async function refused(
    upgrade: UpgradeInit,
    policy: Partial<GatewayPolicy> = {},
  ): Promise<HandshakeRefused> {
    const handshake = begin(upgrade, policy);
    const refusal = await refusalOf(handshake.decision);
    handshake.attempt.release();
    return refusal;
  }

  const accepted = (upgrade: UpgradeInit, policy: Partial<GatewayPolicy> = {}): Promise<Connection> =>
    acceptedBy(begin(upgrade, policy));

  const count = (user = 'u1') => core.stores.connections.countOf(core.hashOf(user));

  function expectNothingLeft(): void {
    expect(core.authenticator.counts).toEqual({ pending: 0, waiting: 0 });
    expect(core.connections.local()).toEqual([]);
    expect(core.wheel.size).toBe(0);
  }

  describe('a valid handshake', () => {
    it('is accepted by a bearer token', async () => {
      const expiresAt = core.clock() + 600_000;
      const connection = await accepted(
        bearer({ user: 'u7', roles: ['a'], scopes: ['b'], jti: 'j', expiresAt }),
      );
      expect(connection.principal).toEqual({ id: 'u7', roles: ['a'], scopes: ['b'] });
      expect(connection).toMatchObject({ credential: 'bearer', session: undefined, expiresAt, isOpen: true });
      expect(core.connections.local()).toEqual([connection]);
      expect(await count('u7')).toBe(1);
    });

    it('is accepted by a ticket', async () => {
      const ticket = await issue({ origin: APP_ORIGIN, path: GATEWAY_PATH, scopes: ['read'] });
      const connection = await accepted(ticketIn(ticket));
      expect(connection.principal).toEqual({ id: 'u1', roles: ['member'], scopes: ['read'] });
      expect(connection).toMatchObject({ credential: 'ticket', expiresAt: login.session.absoluteEndsAt });
      expect(connection.session!.id).toBe(login.session.id);
    });

    it('is accepted by a ticket or a token in a subprotocol, which is never chosen', async () => {
      const offer = (credential: string) => ({
        headers: { 'sec-websocket-protocol': `${credential}, chat` },
      });
      const token = core.verifier.mint({ user: 'u1' });
      const offers = [
        `ticket.ws-auth.${await issue()}`,
        `base64url.bearer.ws-auth.${Buffer.from(token).toString('base64url')}`,
      ];
      for (const credential of offers) {
        const connection = await accepted(offer(credential), { protocols: ['chat'] });
        expect([connection.principal.id, connection.handshake.protocol]).toEqual(['u1', 'chat']);
      }
    });

    it('is accepted by the session cookie', async () => {
      const connection = await accepted(cookie(login.token));
      expect(connection).toMatchObject({ credential: 'cookie', grant: { userHash: core.hashOf('u1') } });
      expect(connection.session!.id).toBe(login.session.id);
    });

    it('is accepted without a credential on a public gateway, after the checks that need none', async () => {
      const { decision, attempt } = begin({}, { access: 'public' });
      expect(await decision).toEqual({ kind: 'public' });
      attempt.release();
      expect([core.verifier.calls, admissions]).toEqual([0, []]);
      expect(
        (await refused({ headers: { origin: 'https://evil.example' } }, { access: 'public' })).reason,
      ).toBe('origin_not_allowed');
    });

    it('waits for the first message where the gateway takes one', async () => {
      const { decision, attempt } = begin({}, { credentials: ANY });
      expect(await decision).toEqual({ kind: 'wait' });
      attempt.release();
      expect(admissions).toEqual([]);
    });

    it('is told to the application and to the audit log without its credential', async () => {
      const ticket = await issue();
      core.events.length = 0;
      const connection = await accepted({ url: `${GATEWAY_PATH}?room=7&ticket=${ticket}&x` });
      expect(connection.handshake).toEqual({
        correlationId: expect.any(String),
        path: GATEWAY_PATH,
        query: 'room=7&x',
        origin: APP_ORIGIN,
        host: 'ws.example.com',
        address: '203.0.113.7',
        addressSource: 'socket',
        secure: true,
        protocol: '',
      });
      expect(core.events).toMatchObject([
        {
          event: 'authn_login_success',
          outcome: 'success',
          reasonCode: 'admitted',
          method: 'ticket',
          principal: 'u1',
        },
      ]);
      expect(core.events[0]).toMatchObject({
        connectionId: connection.id,
        correlationId: connection.handshake.correlationId,
        sessionRef: core.audit.referenceOf(login.session.id),
      });
      expect(JSON.stringify([core.events, connection.handshake])).not.toContain(ticket.slice(21));
    });

    it('ends with whatever ends first: token, session, or the longest life (LT-01)', async () => {
      await build({ lifetime: { maxMs: 60_000 } });
      const late = core.clock() + 600_000;
      expect((await accepted(bearer({ expiresAt: late }))).expiresAt).toBe(core.clock() + 60_000);
      expect((await accepted(cookie(login.token))).expiresAt).toBe(core.clock() + 60_000);
      const soon = core.clock() + 5_000;
      expect((await accepted(bearer({ sid: login.session.id, expiresAt: soon }))).expiresAt).toBe(soon);
      const token = { hash: undefined, expiresAt: core.clock() + 8_000 };
      const { ticket } = await core.tickets.issue({ session: login.session.id }, { token });
      expect((await accepted(ticketIn(ticket))).expiresAt).toBe(core.clock() + 8_000);
    });
  });

  describe('the staircase', () => {
    /** A handshake that is good in everything until a step is broken. */
    interface Case {
      readonly query: string[];
      readonly headers: Record<string, string>;
      readonly parts: { method: string; path: string; remoteAddress: string | undefined; encrypted: boolean };
      readonly policy: { roles: string[] };
      token: string;
      readonly last: (() => Promise<void>)[];
    }

    interface Step {
      readonly name: string;
      readonly refusal: RefusalCode;
      readonly reason: string;
      readonly isBeforeCredential: boolean;
      break(good: Case): void | Promise<void>;
    }

    const ELSEWHERE = '198.51.100.9';

    /** Handshakes that hold their places until the test is over. */
    async function occupy(remoteAddress: string): Promise<void> {
      const { opened } = latch();
      core.verifier.gate = opened;
      beginHandshake(core, { ...bearer(), remoteAddress });
      await settle();
      core.verifier.gate = undefined;
      core.verifier.calls = 0;
    }

    const STEPS: readonly Step[] = [
      {
        name: 'the node drains',
        refusal: 'draining',
        reason: 'draining',
        isBeforeCredential: true,
        break: () => core.authenticator.setState('draining'),
      },
      {
        name: 'the client has no address',
        refusal: 'unavailable',
        reason: 'no_client_address',
        isBeforeCredential: true,
        break: ({ parts }) => {
          parts.remoteAddress = undefined;
        },
      },
      {
        name: 'too many handshakes are in progress on the node (HS-03)',
        refusal: 'overloaded',
        reason: 'too_many_pending',
        isBeforeCredential: true,
        break: async () => {
          await occupy('198.51.100.1');
          await occupy('198.51.100.2');
          await occupy('198.51.100.3');
        },
      },
      {
        name: 'too many handshakes are in progress from the address (HS-03)',
        refusal: 'rate_limited',
        reason: 'too_many_pending_of_address',
        isBeforeCredential: true,
        break: () => occupy('203.0.113.7'),
      },
      {
        name: 'the request is malformed',
        refusal: 'method_not_allowed',
        reason: 'method_not_get',
        isBeforeCredential: true,
        break: ({ parts }) => {
          parts.method = 'POST';
        },
      },
      {
        name: 'the host is not ours',
        refusal: 'host_not_allowed',
        reason: 'host_not_allowed',
        isBeforeCredential: true,
        break: ({ headers }) => {
          headers.host = 'evil.example';
        },
      },
      {
        name: 'there is no gateway on the path',
        refusal: 'not_found',
        reason: 'no_gateway_on_path',
        isBeforeCredential: true,
        break: ({ parts }) => {
          parts.path = '/nowhere';
        },
      },
      {
        name: 'the transport is not secure (HS-15)',
        refusal: 'insecure_transport',
        reason: 'insecure_transport',
        isBeforeCredential: true,
        break: ({ parts }) => {
          parts.encrypted = false;
        },
      },
      {
        name: 'the origin is not allowed',
        refusal: 'origin_not_allowed',
        reason: 'origin_not_allowed',
        isBeforeCredential: true,
        break: ({ headers }) => {
          headers.origin = 'https://evil.example';
        },
      },
      {
        name: 'the address connects too often (TH-01)',
        refusal: 'rate_limited',
        reason: 'connect_rate',
        isBeforeCredential: true,
        break: async () => {
          for (let index = 0; index < 20; index += 1) await refused({});
        },
      },
      {
        name: 'no offered subprotocol is spoken',
        refusal: 'subprotocol_required',
        reason: 'no_common_subprotocol',
        isBeforeCredential: true,
        break: ({ headers }) => {
          headers['sec-websocket-protocol'] = 'unknown';
        },
      },
      {
        name: 'a token is in the URL (CR-02)',
        refusal: 'credential_in_url',
        reason: 'credential_in_url',
        isBeforeCredential: true,
        break: ({ query }) => {
          query.push('token=secret');
        },
      },
      {
        name: 'there are two credentials (CR-01)',
        refusal: 'multiple_credentials',
        reason: 'multiple_credentials',
        isBeforeCredential: true,
        break: ({ query }) => {
          query.push('ticket=wst_x');
        },
      },
      {
        name: 'the session cookie is there twice (CK-02)',
        refusal: 'multiple_credentials',
        reason: 'cookie_tossing_suspected',
        isBeforeCredential: true,
        break: ({ headers }) => {
          headers.cookie = '__Host-sid=a; __Host-sid=b';
        },
      },
      {
        name: 'the token does not verify',
        refusal: 'unauthorized',
        reason: 'token_signature',
        isBeforeCredential: false,
        break: (good) => {
          good.token = 'forged';
        },
      },
      {
        name: 'the credential was revoked',
        refusal: 'unauthorized',
        reason: 'revoked',
        isBeforeCredential: false,
        break: ({ last }) => {
          last.push(async () => {
            await core.revocations.revoke({ user: 'u9' });
          });
        },
      },
      {
        name: 'the user has too many connections (SE-07)',
        refusal: 'too_many_connections',
        reason: 'limit_of_user',
        isBeforeCredential: false,
        break: async () => {
          await accepted({ ...bearer({ user: 'u9' }), remoteAddress: ELSEWHERE });
          core.verifier.calls = 0;
          admissions.length = 0;
        },
      },
      {
        name: 'the principal lacks a role of the gateway',
        refusal: 'forbidden',
        reason: 'gateway_roles',
        isBeforeCredential: false,
        break: ({ policy }) => {
          policy.roles.push('admin');
        },
      },
    ];

    beforeEach(() =>
      build({
        hosts: ['ws.example.com'],
        connections: { maxPerUser: 1 },
        handshake: {
          requireTls: true,
          maxPending: 3,
          maxPendingPerAddress: 1,
          connectRate: { limit: 60, windowMs: 60_000, burst: 20 },
        },
      }),
    );

    async function climb(...broken: readonly Step[]) {
      const good: Case = {
        query: [],
        headers: {},
        parts: { method: 'GET', path: GATEWAY_PATH, remoteAddress: '203.0.113.7', encrypted: true },
        policy: { roles: [] },
        token: core.verifier.mint({ user: 'u9' }),
        last: [],
      };
      // What fills the node comes last: it must not keep the others from being broken.
      const inOrder = [...broken].sort((a, b) => Number(fills(a)) - Number(fills(b)));
      for (const step of inOrder) await step.break(good);
      for (const change of good.last) await change();
      const { parts, query, headers, token, policy } = good;
      const { method, path, remoteAddress, encrypted } = parts;
      const handshake = beginHandshake(
        core,
        {
          method,
          url: query.length > 0 ? `${path}?${query.join('&')}` : path,
          remoteAddress,
          encrypted,
          headers: { authorization: `Bearer ${token}`, ...headers },
        },
        gatewayPolicy(policy),
      );
      return handshake;
    }

    function fills({ refusal, reason }: Step): boolean {
      return refusal === 'draining' || reason.startsWith('too_many_pending');
    }

    it('ends in a connection when nothing is wrong', async () => {
      expect((await acceptedBy(await climb())).principal.id).toBe('u9');
    });

    it.each(STEPS)('refuses when $name', async (step) => {
      const { decision } = await climb(step);
      expect(await refusalOf(decision)).toMatchObject({ refusal: step.refusal, reason: step.reason });
    });

    it.each(STEPS.filter(({ isBeforeCredential }) => isBeforeCredential))(
      'asks neither verifier nor store when $name (HS-03)',
      async (step) => {
        const { decision } = await climb(step);
        await refusalOf(decision);
        expect([core.verifier.calls, admissions]).toEqual([0, []]);
      },
    );

    it.each(STEPS.slice(1).map((later, index) => ({ earlier: STEPS[index]!, later })))(
      'refuses because $earlier.name, when $later.name too',
      async ({ earlier, later }) => {
        const { decision } = await climb(earlier, later);
        expect(await refusalOf(decision)).toMatchObject({ refusal: earlier.refusal, reason: earlier.reason });
      },
    );

    it('has one order: every step wins over every later one', async () => {
      for (const [index, earlier] of STEPS.entries()) {
        for (const later of STEPS.slice(index + 2)) {
          await build({
            hosts: ['ws.example.com'],
            connections: { maxPerUser: 1 },
            handshake: {
              requireTls: true,
              maxPending: 3,
              maxPendingPerAddress: 1,
              connectRate: { limit: 60, windowMs: 60_000, burst: 20 },
            },
          });
          const { decision } = await climb(earlier, later);
          const { reason } = await refusalOf(decision);
          expect(`${earlier.name} / ${later.name}: ${reason}`).toBe(
            `${earlier.name} / ${later.name}: ${earlier.reason}`,
          );
        }
      }
    });

    it('holds one place for a handshake, and gives it back when that is over', async () => {
      for (const step of STEPS.slice(4)) {
        await build({
          hosts: ['ws.example.com'],
          handshake: { requireTls: true },
          connections: { maxPerUser: 1 },
        });
        const { decision, attempt } = await climb(step);
        await decision.catch(() => {});
        expect(core.authenticator.counts.pending).toBe(1);
        attempt.release();
        attempt.release();
        expect(core.authenticator.counts.pending).toBe(0);
      }
    });
  });

  describe('the state of the node', () => {
    it('refuses while the node starts, and accepts again', async () => {
      core.authenticator.setState('starting');
      expect(await refused(bearer())).toMatchObject({
        refusal: 'unavailable',
        reason: 'starting',
        status: 503,
      });
      core.authenticator.setState('draining');
      const draining = await refused(bearer());
      expect(draining).toMatchObject({ refusal: 'draining', status: 503 });
      expect(draining.retryAfterMs).toBeGreaterThanOrEqual(1_000);
      core.authenticator.setState(undefined);
      expect((await accepted(bearer())).isOpen).toBe(true);
    });
  });

  describe('a missing Origin', () => {
    const without = (upgrade: UpgradeInit = {}): UpgradeInit =>
      both(upgrade, { headers: { origin: undefined } });

    it('is no matter beside an Authorization header or a ticket', async () => {
      expect((await accepted(without(bearer()))).handshake.origin).toBeUndefined();
      expect((await accepted(without(ticketIn(await issue())))).isOpen).toBe(true);
    });

    it('is no matter on a gateway that takes the first message', async () => {
      const { decision, attempt } = begin(without(), { credentials: ANY });
      expect(await decision).toEqual({ kind: 'wait' });
      attempt.release();
    });

    it('is refused without an explicit credential, and beside any cookie', async () => {
      expect(await refused(without())).toMatchObject({
        refusal: 'origin_not_allowed',
        reason: 'origin_missing',
      });
      const beside = without(both(bearer(), { headers: { cookie: 'x=1' } }));
      expect(await refused(beside, { credentials: ANY })).toMatchObject({
        reason: 'origin_missing_beside_cookie',
      });
    });

    it('is refused from everybody where the gateway says so', async () => {
      expect(await refused(without(bearer()), { missingOrigin: 'refuse' })).toMatchObject({
        reason: 'origin_missing',
      });
    });

    it('is not the same as an empty one', async () => {
      const empty = both(bearer(), { headers: { origin: '' } });
      expect(await refused(empty)).toMatchObject({ reason: 'origin_not_allowed', status: 403 });
    });

    it('does not satisfy a ticket that was issued with one (TK-05)', async () => {
      const ticket = await issue({ origin: APP_ORIGIN });
      expect(await refused(without(ticketIn(ticket)))).toMatchObject({ reason: 'ticket_mismatch_origin' });
    });
  });

  describe('a host that calls itself by a loopback name', () => {
    it('is the only one allowed on a server that is bound to loopback', async () => {
      expect(await refused({ ...bearer(), boundToLoopback: true })).toMatchObject({
        reason: 'host_not_allowed',
      });
      const local = both(bearer(), { boundToLoopback: true, headers: { host: 'localhost:3000' } });
      expect((await accepted(local)).handshake.host).toBe('localhost:3000');
    });
  });

  describe('a proxy that is trusted (TH-07)', () => {
    const forwarded = { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-proto': 'https' };

    it('is believed about address and TLS, and others are not', async () => {
      await build({ proxy: { trusted: ['10.0.0.0/8'] }, handshake: { requireTls: true } });
      const upgrade = both(bearer(), { encrypted: false, headers: forwarded });
      const { handshake } = await accepted({ ...upgrade, remoteAddress: '10.1.2.3' });
      expect(handshake).toMatchObject({ address: '198.51.100.9', addressSource: 'forwarded', secure: true });
      expect(await refused(upgrade)).toMatchObject({ reason: 'insecure_transport' });
    });
  });

  describe('credentials', () => {
    it('are asked for when there are none', async () => {
      const refusal = await refused({});
      expect(refusal).toMatchObject({ refusal: 'unauthorized', reason: 'credential_missing', status: 401 });
      expect(refusal.headers).toEqual({ 'WWW-Authenticate': 'Bearer realm="ws"' });
    });

    it('that fail are answered with the same challenge, whatever is wrong (HS-14)', async () => {
      const dead = await core.sessions.create({ userId: 'u1' });
      await core.revocations.revoke({ session: dead.token });
      const used = await issue();
      await core.tickets.consume(used);
      const failures = [
        { headers: { authorization: 'Bearer forged' } },
        ticketIn(`wst_${core.hashOf('u1')}.${'x'.repeat(43)}`),
        ticketIn('nonsense'),
        ticketIn(used),
        cookie(dead.token),
        bearer({ sid: dead.session.id }),
      ];
      for (const failure of failures) {
        const { refusal, status, headers, retryAfterMs } = await refused(failure);
        expect([refusal, status, retryAfterMs]).toEqual(['unauthorized', 401, undefined]);
        expect(headers).toEqual({ 'WWW-Authenticate': 'Bearer realm="ws", error="invalid_token"' });
      }
    });

    it('of a kind that the gateway does not take are refused', async () => {
      const reason = 'credential_kind_not_accepted';
      expect(await refused(bearer(), { credentials: new Set(['ticket']) })).toMatchObject({ reason });
      const ticket = await issue();
      expect(await refused(ticketIn(ticket), { credentials: new Set(['bearer']) })).toMatchObject({ reason });
      expect(await refused(cookie(login.token), { credentials: new Set(['bearer']) })).toMatchObject({
        reason: 'credential_missing',
      });
      expect([core.verifier.calls, admissions]).toEqual([0, []]);
      await expect(core.tickets.consume(ticket)).resolves.toBeDefined();
    });

    describe('two of them (CR-01)', () => {
      const sources: Record<string, (value: { ticket: string; token: string }) => UpgradeInit> = {
        'Authorization header': ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
        'ticket parameter': ({ ticket }) => ticketIn(ticket),
        'ticket subprotocol': ({ ticket }) => ({
          headers: { 'sec-websocket-protocol': `ticket.ws-auth.${ticket}, ws-auth.v1` },
        }),
        'bearer subprotocol': ({ token }) => ({
          headers: {
            'sec-websocket-protocol': `base64url.bearer.ws-auth.${Buffer.from(token).toString('base64url')}, ws-auth.v1`,
          },
        }),
      };
      const names = Object.keys(sources);
      const pairs = names
        .flatMap((one, index) => names.slice(index + 1).map((two) => ({ one, two })))
        .filter(({ one, two }) => !(one.endsWith('subprotocol') && two.endsWith('subprotocol')));

      it.each(pairs)('$one and $two are refused, and neither is looked at', async ({ one, two }) => {
        const ticket = await issue();
        const value = { ticket, token: core.verifier.mint({ user: 'u1' }) };
        const upgrade = both(sources[one]!(value), sources[two]!(value));
        expect(await refused(upgrade)).toMatchObject({ refusal: 'multiple_credentials', status: 400 });
        expect([core.verifier.calls, admissions]).toEqual([0, []]);
        expect((await accepted(ticketIn(ticket))).isOpen).toBe(true);
      });

      it('in subprotocols, or the same parameter twice, are refused', async () => {
        const ticket = await issue();
        const encoded = Buffer.from(core.verifier.mint()).toString('base64url');
        const protocols = `ticket.ws-auth.${ticket}, base64url.bearer.ws-auth.${encoded}, ws-auth.v1`;
        const twice = { url: `${GATEWAY_PATH}?ticket=${ticket}&ticket=${ticket}` };
        for (const upgrade of [{ headers: { 'sec-websocket-protocol': protocols } }, twice]) {
          expect(await refused(upgrade)).toMatchObject({ reason: 'multiple_credentials' });
        }
      });

      it('are one when a cookie of the same session is beside a ticket or a token', async () => {
        expect((await accepted(both(ticketIn(await issue()), cookie(login.token)))).credential).toBe(
          'ticket',
        );
        const token = bearer({ user: 'u1', sid: login.session.id });
        expect((await accepted(both(token, cookie(login.token)))).credential).toBe('bearer');
        expect((await accepted(both(bearer({ user: 'u1' }), cookie(login.token)))).session).toBeUndefined();
      });

      it.each(['another user', 'the same user'])(
        'do not agree when the cookie is of another session of %s',
        async (of) => {
          const other = await core.sessions.create({ userId: of === 'another user' ? 'u2' : 'u1' });
          const ticket = await issue();
          expect(await refused(both(ticketIn(ticket), cookie(other.token)))).toMatchObject({
            refusal: 'unauthorized',
            reason: 'ticket_mismatch_session',
          });
          expect(await refused(ticketIn(ticket))).toMatchObject({ reason: 'ticket_replayed' });
          const token = bearer({ user: 'u1', sid: login.session.id });
          admissions.length = 0;
          expect(await refused(both(token, cookie(other.token)))).toMatchObject({
            refusal: 'unauthorized',
            reason: 'credential_conflict',
          });
          expect(admissions).toEqual([]);
        },
      );

      it('do not agree when a token without session is beside the cookie of another user', async () => {
        const conflict = both(bearer({ user: 'u2' }), cookie(login.token));
        expect(await refused(conflict)).toMatchObject({ reason: 'credential_conflict' });
      });
    });

    describe('cookie', () => {
      it('of an unknown session is no credential, and makes no session (CK-04)', async () => {
        const made = newSessionToken(core.hashOf('u1'));
        expect(await refused(cookie(made))).toMatchObject({
          refusal: 'unauthorized',
          reason: 'session_unknown',
        });
        expect(await core.sessions.get(made)).toBeNull();
        expect(await refused(cookie('nonsense'))).toMatchObject({ reason: 'credential_missing' });
      });

      it('of an unknown session waits for the first message where one is taken', async () => {
        for (const token of [newSessionToken(core.hashOf('u1')), 'nonsense']) {
          const { decision, attempt } = begin(cookie(token), { credentials: ANY });
          expect(await decision).toEqual({ kind: 'wait' });
          attempt.release();
        }
      });

      it('of a session that has ended does not stand against the first message', async () => {
        const dead = await core.sessions.create({ userId: 'u1' });
        await core.revocations.revoke({ session: dead.token });
        const { decision, attempt } = begin(cookie(dead.token), { credentials: ANY });
        expect(await decision).toEqual({ kind: 'wait' });
        const ticket = { kind: 'ticket', value: await issue() } as const;
        const connection = await core.authenticator.authenticateFirstMessage(attempt, ticket);
        expect(connection.session!.id).toBe(login.session.id);
        attempt.release();
      });

      it('of a live session stands against a first message of another, where it admits nobody by itself (CR-01)', async () => {
        const other = await core.sessions.create({ userId: 'u2' });
        const credentials = new Set(['ticket', 'first-message'] as const);
        const { decision, attempt } = begin(cookie(other.token), { credentials });
        expect(await decision).toEqual({ kind: 'wait' });
        const ticket = { kind: 'ticket', value: await issue() } as const;
        const refusal = await refusalOf(core.authenticator.authenticateFirstMessage(attempt, ticket));
        expect(refusal.reason).toBe('ticket_mismatch_session');
        attempt.release();
      });

      it('admits at once on a gateway that takes both', async () => {
        expect((await accepted(cookie(login.token), { credentials: ANY })).credential).toBe('cookie');
      });

      it('that is there twice is refused, beside a good ticket too (CK-02)', async () => {
        const twice = { headers: { cookie: `__Host-sid=${login.token}; __Host-sid=x` } };
        const ticket = await issue();
        expect(await refused(both(ticketIn(ticket), twice))).toMatchObject({
          refusal: 'multiple_credentials',
          reason: 'cookie_tossing_suspected',
          status: 400,
        });
        expect((await accepted(ticketIn(ticket))).isOpen).toBe(true);
      });

      it('without its prefix is not read on a secure transport (CK-01)', async () => {
        const plain = { headers: { cookie: `sid=${login.token}` } };
        expect(await refused(plain)).toMatchObject({ reason: 'credential_missing' });
      });
    });

    describe('ticket', () => {
      it.each([
        ['another origin', { origin: 'https://other.example' }, 'ticket_mismatch_origin'],
        ['another path', { path: '/other' }, 'ticket_mismatch_path'],
      ])('for %s is refused and burnt (TK-04, TK-05)', async (_, init, reason) => {
        const ticket = await issue(init);
        expect(await refused(ticketIn(ticket))).toMatchObject({ refusal: 'unauthorized', reason });
        expect(await refused(ticketIn(ticket))).toMatchObject({ reason: 'ticket_replayed' });
      });

      it('that demands the cookie is refused and burnt without it (TK-05)', async () => {
        await build({ ticket: { requiresCookie: true } });
        const { ticket } = await core.tickets.issue(
          { session: login.session.id },
          { sessionToken: login.token },
        );
        expect(await refused(ticketIn(ticket))).toMatchObject({ reason: 'ticket_mismatch_cookie' });
        expect(await refused(both(ticketIn(ticket), cookie(login.token)))).toMatchObject({
          reason: 'ticket_replayed',
        });
      });

      it('is told as a replay in the audit log when it is used twice (TK-02)', async () => {
        const ticket = await issue();
        await accepted(ticketIn(ticket));
        core.events.length = 0;
        const handshake = begin(ticketIn(ticket));
        core.authenticator.record.refused(handshake.attempt, await refusalOf(handshake.decision));
        handshake.attempt.release();
        expect(core.events).toMatchObject([
          {
            event: 'authn_token_reuse',
            outcome: 'refused',
            reasonCode: 'ticket_replayed',
            status: 401,
            method: 'ticket',
          },
        ]);
        expect(JSON.stringify(core.events)).not.toContain(ticket.slice(21));
      });

      it('is not burnt by a handshake that is refused before it (TK-04)', async () => {
        const ticket = await issue();
        const good = ticketIn(ticket);
        await refused(both(good, { headers: { origin: 'https://evil.example' } }));
        await refused({ ...good, method: 'POST' });
        await refused(both(good, { headers: { 'sec-websocket-version': '8' } }));
        await refused({ url: `/other?ticket=${ticket}` });
        core.authenticator.setState('draining');
        await refused(good);
        core.authenticator.setState(undefined);
        expect(admissions).toEqual([]);
        expect((await accepted(good)).isOpen).toBe(true);
      });

      it.each([
        '',
        'x',
        'wst_',
        `wst_${'a'.repeat(16)}.${'b'.repeat(42)}`,
        `wst_${'a'.repeat(16)}.${'b'.repeat(44)}`,
      ])('in another form is refused before the store is asked: %j (TK-09)', async (text) => {
        expect(await refused(ticketIn(text))).toMatchObject({ reason: 'ticket_malformed' });
        expect(admissions).toEqual([]);
      });

      it('is refused when its session has ended (TK-06)', async () => {
        const ticket = await issue();
        await core.revocations.revoke({ session: login.token });
        expect(await refused(ticketIn(ticket))).toMatchObject({ reason: 'session_unknown' });
      });

      it('does not outlive the token that asked for it (TK-06)', async () => {
        const token = { hash: undefined, expiresAt: core.clock() + 5_000 };
        const { ticket } = await core.tickets.issue({ principal: { id: 'u1' } }, { token });
        await core.advance(5_000);
        expect(await refused(ticketIn(ticket))).toMatchObject({ reason: 'ticket_unknown' });
      });
    });

    describe('bearer token', () => {
      it('that names a session has the rights of the session, no more than its own (TK-06)', async () => {
        const narrowing = { roles: ['member', 'admin'], scopes: ['read'] };
        const connection = await accepted(
          bearer({ user: 'u1', sid: login.session.id, roles: ['admin'], narrowing }),
        );
        expect(connection.principal).toEqual({ id: 'u1', roles: ['member'], scopes: ['read'] });
        await core.sessions.setRoles({ user: 'u1' }, { roles: ['admin'], scopes: ['write'] });
        expect(connection.principal).toEqual({ id: 'u1', roles: ['admin'], scopes: [] });
      });

      it('is refused when it names the session of another user', async () => {
        const token = bearer({ user: 'u2', sid: login.session.id });
        expect(await refused(token)).toMatchObject({ reason: 'session_of_another_user' });
        expect(admissions).toEqual([]);
      });

      it('is refused when its session was revoked, and its socket ends with it (TK-06)', async () => {
        const token = bearer({ user: 'u1', sid: login.session.id });
        const connection = await accepted(token);
        const { closes } = record(connection);
        await core.revocations.revoke({ session: login.token });
        expect(closes).toEqual([{ code: 4410, reason: expect.stringMatching(/^revoked;id=/) }]);
        expect(await refused(token)).toMatchObject({ reason: 'session_unknown' });
      });

      it('is refused by what identifies it, in whatever spelling it comes (JW-05)', async () => {
        const connection = await accepted(bearer({ user: 'u1', jti: 'jti-1' }));
        await core.revocations.revoke({
          token: { issuer: ISSUER, jti: 'jti-1', subject: 'u1', expiresAt: core.clock() + 60_000 },
        });
        expect(connection.isOpen).toBe(false);
        expect(await refused(bearer({ user: 'u1', jti: 'jti-1' }))).toMatchObject({ reason: 'revoked' });
        expect((await accepted(bearer({ user: 'u1', jti: 'jti-2' }))).isOpen).toBe(true);
      });

      it('is refused where nothing can verify it', async () => {
        const deaf = new HandshakeAuthenticator({ ...core, verifier: undefined });
        const attempt = new HandshakeAttempt();
        const decision = deaf.authenticate(attempt, rawUpgrade(bearer()), () => gatewayPolicy());
        expect((await refusalOf(decision)).reason).toBe('credential_kind_not_accepted');
        attempt.release();
      });
    });
  });

  describe('what nobody can decide (CR-06)', () => {
    it.each([
      ['a verifier that throws', new Error('boom'), 'verifier_failed'],
      ['a key source that is away', new StoreUnavailable('away'), 'store_unavailable'],
    ])('is refused as unavailable: %s', async (_, failure, reason) => {
      core.verifier.failure = failure;
      for (const gate of [undefined, Promise.resolve()]) {
        core.verifier.gate = gate;
        const refusal = await refused(bearer());
        expect(refusal).toMatchObject({ refusal: 'unavailable', reason, status: 503, cause: failure });
        expect(refusal.retryAfterMs).toBeGreaterThanOrEqual(1_000);
      }
      expectNothingLeft();
    });

    it('is refused as unavailable: a store that fails', async () => {
      onAdmit = () => Promise.reject(new StoreUnavailable('away'));
      for (const upgrade of [bearer(), cookie(login.token), ticketIn(await issue())]) {
        expect(await refused(upgrade)).toMatchObject({ refusal: 'unavailable', reason: 'store_unavailable' });
      }
      expectNothingLeft();
    });

    it('is refused as unavailable: a store that comes too late, with the deadline it was given', async () => {
      onAdmit = async () => ({ outcome: 'late' });
      const refusal = await refused(bearer());
      expect(refusal).toMatchObject({ refusal: 'unavailable', reason: 'store_too_late' });
      expect(admissions[0]!.deadline).toBe(core.clock() + 5_000);
    });

    it('is refused as rate limited when the store says so, with the time that it says', async () => {
      onAdmit = async () => ({ outcome: 'rate', retryAfterMs: 1_234 });
      expect(await refused(bearer())).toMatchObject({
        refusal: 'rate_limited',
        reason: 'connect_rate',
        retryAfterMs: 1_234,
      });
      const key = throttleKey('connect', '203.0.113.7');
      expect(admissions[0]!.rate).toEqual({ key, limit: 600, windowMs: 60_000, burst: 200 });
    });

    it('is refused without the store while its address is blocked, and goes to the store again after it (TH-01)', async () => {
      onAdmit = async () => ({ outcome: 'rate', retryAfterMs: 60_000 });
      await refused(bearer());
      expect([admissions.length, core.verifier.calls]).toEqual([1, 1]);
      await core.advance(1_000);
      for (const upgrade of [bearer(), cookie(login.token), ticketIn(await issue()), {}]) {
        expect(await refused(upgrade)).toMatchObject({
          refusal: 'rate_limited',
          reason: 'connect_rate',
          retryAfterMs: 59_000,
        });
      }
      expect([admissions.length, core.verifier.calls]).toEqual([1, 1]);
      onAdmit = (_, admit) => admit();
      await accepted({ ...bearer(), remoteAddress: '203.0.113.8' });
      await core.advance(59_000);
      await accepted(bearer());
      expect(admissions).toHaveLength(3);
    });

    it('is blocked with the whole of its IPv6 prefix (TH-01, TH-08)', async () => {
      onAdmit = async () => ({ outcome: 'rate', retryAfterMs: 60_000 });
      await refused({ ...bearer(), remoteAddress: '2001:db8:0:1::1' });
      await refused({ ...bearer(), remoteAddress: '2001:DB8:0:1:ffff::2' });
      expect(admissions).toHaveLength(1);
      await refused({ ...bearer(), remoteAddress: '2001:db8:0:2::1' });
      expect(admissions).toHaveLength(2);
    });

    it('takes nothing of the rate of this node while its address is blocked', async () => {
      await build({ handshake: { connectRate: { limit: 1, windowMs: 3_600_000, burst: 2 } } });
      onAdmit = async () => ({ outcome: 'rate', retryAfterMs: 1_000 });
      for (let index = 0; index < 5; index += 1) await refused(bearer());
      await core.advance(1_000);
      onAdmit = (_, admit) => admit();
      await accepted(bearer());
    });

    it('is held to its share of the connect rate while the store is away, and to no share when it is back (TH-09)', async () => {
      const connectRate = { limit: 10, windowMs: 3_600_000, burst: 10 };
      await build({ handshake: { connectRate }, storeOutage: { expectedNodes: 4 } });
      onAdmit = () => Promise.reject(new StoreUnavailable('away'));
      const reasons: string[] = [];
      for (let index = 0; index < 6; index += 1) reasons.push((await refused(bearer())).reason);
      const away = 'store_unavailable';
      expect(reasons).toEqual([away, away, away, 'connect_rate', 'connect_rate', 'connect_rate']);
      expect(admissions).toHaveLength(3);
      onAdmit = (_, admit) => admit();
      await accepted({ ...bearer(), remoteAddress: '203.0.113.8' });
      for (let index = 0; index < 7; index += 1) await accepted(bearer());
      expect(await refused(bearer())).toMatchObject({ reason: 'connect_rate' });
    });

    it.each(['user', 'session'] as const)(
      'is refused by the limit of a %s, with a time to come back',
      async (of) => {
        onAdmit = async () => ({ outcome: 'limit', of });
        const refusal = await refused(bearer());
        expect(refusal).toMatchObject({
          refusal: 'too_many_connections',
          reason: `limit_of_${of}`,
          status: 429,
        });
        expect(refusal.retryAfterMs).toBeGreaterThan(0);
      },
    );

    it('is refused when a verifier does not answer in time, and the verifier is told', async () => {
      core.verifier.gate = latch().opened;
      const { decision, attempt } = begin(bearer());
      await core.advance(4_999);
      expect(core.verifier.signals[0]!.aborted).toBe(false);
      await core.advance(51);
      expect(await refusalOf(decision)).toMatchObject({ refusal: 'unavailable', reason: 'timeout' });
      expect(core.verifier.signals[0]!.aborted).toBe(true);
      attempt.release();
      expectNothingLeft();
    });

    it('is refused when a store does not answer in time', async () => {
      onAdmit = () => new Promise(() => {});
      const { decision, attempt } = begin(bearer());
      await core.advance(5_050);
      expect(await refusalOf(decision)).toMatchObject({ refusal: 'unavailable', reason: 'timeout' });
      attempt.release();
      expectNothingLeft();
    });
  });

  describe('a client that has gone (HS-04)', () => {
    it('while its token was verified leaves no registration, and the store is not asked', async () => {
      const { opened, open } = latch();
      core.verifier.gate = opened;
      const { decision, attempt } = begin(bearer());
      attempt.abort('client_gone');
      expect(await refusalOf(decision)).toMatchObject({ refusal: 'unavailable', reason: 'client_gone' });
      expect(core.verifier.signals[0]!.aborted).toBe(true);
      attempt.release();
      open();
      await settle();
      expect(admissions).toEqual([]);
      expectNothingLeft();
    });

    it('before the store was asked keeps its ticket', async () => {
      const ticket = await issue();
      const attempt = new HandshakeAttempt();
      attempt.abort('client_gone');
      const decision = core.authenticator.authenticate(attempt, rawUpgrade(ticketIn(ticket)), () =>
        gatewayPolicy(),
      );
      expect(await refusalOf(decision)).toMatchObject({ reason: 'client_gone' });
      attempt.release();
      expect(admissions).toEqual([]);
      await expect(core.tickets.consume(ticket)).resolves.toBeDefined();
    });

    it('gives back the place that it is given too late', async () => {
      const { opened, open } = latch();
      onAdmit = async (_, admit) => {
        const result = await admit();
        await opened;
        return result;
      };
      const { decision, attempt } = begin(bearer({ user: 'u1' }));
      await settle();
      expect(await count()).toBe(1);
      attempt.abort('client_gone');
      expect(await refusalOf(decision)).toMatchObject({ reason: 'client_gone' });
      attempt.release();
      open();
      await settle();
      expect(await count()).toBe(0);
      expectNothingLeft();
    });

    it('pushes the connection off that lost its place to it, all the same', async () => {
      await build({ connections: { maxPerUser: 1, onLimit: 'replace-oldest' } });
      const old = await accepted(bearer({ user: 'u1' }));
      const { opened, open } = latch();
      onAdmit = async (_, admit) => {
        const result = await admit();
        await opened;
        return result;
      };
      const { decision, attempt } = begin(bearer({ user: 'u1' }));
      await settle();
      attempt.abort('client_gone');
      await refusalOf(decision);
      attempt.release();
      open();
      await settle();
      expect(old.isOpen).toBe(false);
      expect(await count()).toBe(0);
      expectNothingLeft();
    });

    it('does not mind a store that fails for it afterwards', async () => {
      const { opened, open } = latch();
      onAdmit = async () => {
        await opened;
        throw new StoreUnavailable('away');
      };
      const { decision, attempt } = begin(bearer());
      await settle();
      attempt.abort('shutdown');
      expect(await refusalOf(decision)).toMatchObject({ refusal: 'draining', reason: 'shutdown' });
      open();
      await settle();
      attempt.release();
      expectNothingLeft();
    });

    it('leaves nothing behind, whatever its fate', async () => {
      await build({
        handshake: { connectRate: { limit: 100_000, burst: 100_000 }, maxPendingPerAddress: 1_000 },
      });
      const fates: ((index: number) => Promise<void>)[] = [
        async () => void (await refused({ headers: { 'sec-websocket-key': 'bad' } })),
        async () => void (await refused({ headers: { authorization: 'Bearer forged' } })),
        async () => core.connections.closed(await accepted(bearer({ user: 'u1' })), 1006),
        async () => core.connections.closed(await accepted(cookie(login.token)), 1006),
        async () => {
          core.verifier.gate = Promise.resolve();
          const { decision, attempt } = begin(bearer());
          core.verifier.gate = undefined;
          attempt.abort('client_gone');
          await refusalOf(decision);
          attempt.release();
        },
      ];
      for (let index = 0; index < 500; index += 1) await fates[index % fates.length]!(index);
      await settle();
      expectNothingLeft();
      expect(await count()).toBe(0);
    });
  });

  describe('a revocation on the way (SE-03)', () => {
    it.each([
      ['its session', () => core.revocations.revoke({ session: login.token })],
      ['its user', () => core.revocations.revoke({ user: 'u1' })],
      ['everyone', () => core.revocations.revoke({ everyone: true })],
    ])('of %s between the decision of the store and its answer wins', async (_, revoke) => {
      onAdmit = async (_request, admit) => {
        const result = await admit();
        await revoke();
        return result;
      };
      const ticket = await issue();
      expect(await refused(ticketIn(ticket))).toMatchObject({ refusal: 'unauthorized', reason: 'revoked' });
      expect(await count()).toBe(0);
      expectNothingLeft();
    });

    it('of its token between the decision of the store and its answer wins', async () => {
      onAdmit = async (_, admit) => {
        const result = await admit();
        await core.revocations.revoke({
          token: { issuer: ISSUER, jti: 'jti-1', subject: 'u1', expiresAt: core.clock() },
        });
        return result;
      };
      expect(await refused(bearer({ user: 'u1', jti: 'jti-1' }))).toMatchObject({ reason: 'revoked' });
      expectNothingLeft();
    });

    it('by cookie is no credential any more: 401, or the first message', async () => {
      onAdmit = async (_, admit) => {
        const result = await admit();
        await core.revocations.revoke({ session: login.token });
        return result;
      };
      const again = await core.sessions.create({ userId: 'u1' });
      expect(await refused(cookie(login.token))).toMatchObject({ refusal: 'unauthorized', status: 401 });
      login = again;
      const { decision, attempt } = begin(cookie(again.token), { credentials: ANY });
      expect(await decision).toEqual({ kind: 'wait' });
      attempt.release();
      expectNothingLeft();
    });

    it('while the token was verified wins', async () => {
      const { opened, open } = latch();
      core.verifier.gate = opened;
      const { decision, attempt } = begin(bearer({ user: 'u1', sid: login.session.id }));
      await core.revocations.revoke({ session: login.token });
      open();
      expect(await refusalOf(decision)).toMatchObject({ reason: 'session_unknown' });
      attempt.release();
      expectNothingLeft();
    });

    it('after the handshake was accepted fences the connection before anybody sees it', async () => {
      const connection = await accepted(cookie(login.token));
      await core.revocations.revoke({ session: login.token });
      expect(connection.isOpen).toBe(false);
      expect(await count()).toBe(0);
    });
  });

  describe('limits (SE-07)', () => {
    it('refuse the connection that is one too many, and take it when there is room', async () => {
      await build({ connections: { maxPerUser: 2 } });
      const [first] = [await accepted(bearer({ user: 'u1' })), await accepted(bearer({ user: 'u1' }))];
      expect(await refused(bearer({ user: 'u1' }))).toMatchObject({ reason: 'limit_of_user' });
      core.connections.closed(first, 1000);
      expect((await accepted(bearer({ user: 'u1' }))).isOpen).toBe(true);
    });

    it('close the connection that is pushed out by a newer one', async () => {
      await build({ connections: { maxPerSession: 1, onLimit: 'replace-oldest' } });
      const old = await accepted(cookie(login.token));
      const { closes } = record(old);
      const young = await accepted(cookie(login.token));
      expect(closes).toEqual([{ code: 4409, reason: expect.stringMatching(/^replaced;id=/) }]);
      expect([old.isOpen, young.isOpen, await count()]).toEqual([false, true, 1]);
    });

    it('give the place back when the principal lacks a role of the gateway', async () => {
      expect(await refused(cookie(login.token), { roles: ['member', 'admin'] })).toMatchObject({
        refusal: 'forbidden',
        reason: 'gateway_roles',
        status: 403,
      });
      expect(await count()).toBe(0);
      expectNothingLeft();
      expect((await accepted(cookie(login.token), { roles: ['member'] })).isOpen).toBe(true);
    });

    it('count handshakes by address, and another address is not refused for it (HS-03)', async () => {
      await build({ handshake: { maxPendingPerAddress: 2 } });
      core.verifier.gate = latch().opened;
      const held = [begin(bearer()), begin(bearer())];
      expect(core.authenticator.counts.pending).toBe(2);
      const refusal = await refused(bearer());
      expect(refusal).toMatchObject({
        refusal: 'rate_limited',
        reason: 'too_many_pending_of_address',
        status: 429,
      });
      expect(core.verifier.calls).toBe(2);
      const other = begin({ ...bearer(), remoteAddress: '198.51.100.9' });
      expect(core.authenticator.counts.pending).toBe(3);
      for (const { attempt, decision } of [...held, other]) {
        attempt.abort('client_gone');
        await refusalOf(decision);
        attempt.release();
      }
      expectNothingLeft();
    });

    it('count sockets that wait for their first message, by node and address (FM-06)', async () => {
      await build({ firstMessage: { maxWaiting: 3, maxWaitingPerAddress: 2 } });
      const attemptFrom = async (remoteAddress: string) => {
        const { decision, attempt } = begin({ remoteAddress }, { credentials: ANY });
        await decision;
        attempt.release();
        return attempt;
      };
      const [mine, theirs, third] = [
        await attemptFrom('203.0.113.7'),
        await attemptFrom('198.51.100.9'),
        await attemptFrom('192.0.2.3'),
      ];
      const take = (attempt: HandshakeAttempt) => core.authenticator.takeWaitingPlace(attempt);
      const releases = [take(mine), take(mine)];
      expect(() => take(mine)).toThrow(expect.objectContaining({ reason: 'too_many_waiting_of_address' }));
      releases.push(take(theirs));
      expect(() => take(third)).toThrow(
        expect.objectContaining({ refusal: 'overloaded', reason: 'too_many_waiting' }),
      );
      expect(core.authenticator.counts.waiting).toBe(3);
      for (const release of releases) release();
      for (const release of releases) release();
      expect(core.authenticator.counts).toEqual({ pending: 0, waiting: 0 });
    });
  });

  describe('authenticateFirstMessage', () => {
    async function waiting(upgrade: UpgradeInit = {}): Promise<HandshakeAttempt> {
      const { decision, attempt } = begin(upgrade, { credentials: ANY });
      expect(await decision).toEqual({ kind: 'wait' });
      attempt.release();
      core.events.length = 0;
      return attempt;
    }

    it('admits by a token and by a ticket', async () => {
      const byToken = { kind: 'bearer', value: core.verifier.mint({ user: 'u1' }) } as const;
      const one = await core.authenticator.authenticateFirstMessage(await waiting(), byToken);
      expect(one).toMatchObject({ credential: 'first-message', isOpen: true });
      expect(core.events).toMatchObject([{ event: 'authn_login_success', method: 'first-message bearer' }]);
      const byTicket = {
        kind: 'ticket',
        value: await issue({ origin: APP_ORIGIN, path: GATEWAY_PATH }),
      } as const;
      const two = await core.authenticator.authenticateFirstMessage(await waiting(), byTicket);
      expect(two.session!.id).toBe(login.session.id);
      expect(await count()).toBe(2);
    });

    it('refuses as a handshake does', async () => {
      const reasonOf = async (kind: 'bearer' | 'ticket', value: string) =>
        (await refusalOf(core.authenticator.authenticateFirstMessage(await waiting(), { kind, value })))
          .reason;
      expect(await reasonOf('bearer', 'forged')).toBe('token_signature');
      expect(await reasonOf('ticket', 'nonsense')).toBe('ticket_malformed');
      expect(await reasonOf('ticket', await issue({ path: '/other' }))).toBe('ticket_mismatch_path');
      expectNothingLeft();
    });

    it('leaves nothing behind when the client goes meanwhile (HS-04)', async () => {
      const { opened, open } = latch();
      core.verifier.gate = opened;
      const attempt = await waiting();
      const credential = { kind: 'bearer', value: core.verifier.mint({ user: 'u1' }) } as const;
      const work = core.authenticator.authenticateFirstMessage(attempt, credential);
      attempt.abort('client_gone');
      expect((await refusalOf(work)).reason).toBe('client_gone');
      open();
      await settle();
      expect(admissions).toEqual([]);
      expectNothingLeft();
    });
  });

  describe('refresh (FM-04)', () => {
    const refresh = (connection: Connection, kind: 'bearer' | 'ticket', value: string) =>
      core.authenticator.refresh(connection, gatewayPolicy(), { kind, value });

    it('gives a connection the end and rights of a fresh token of the same user, and the place it has', async () => {
      await build({ connections: { maxPerUser: 1 } });
      const connection = await accepted(bearer({ user: 'u1', expiresAt: core.clock() + 5_000 }));
      const expiresAt = core.clock() + 50_000;
      await refresh(connection, 'bearer', core.verifier.mint({ user: 'u1', roles: ['new'], expiresAt }));
      expect(connection).toMatchObject({ expiresAt, principal: { id: 'u1', roles: ['new'] }, isOpen: true });
      expect(await count()).toBe(1);
      await core.advance(10_000);
      expect(connection.isOpen).toBe(true);
      expect(core.events.at(-1)).toMatchObject({
        event: 'authn_login_success',
        reasonCode: 'refreshed',
        method: 'refresh bearer',
        connectionId: connection.id,
      });
    });

    it('takes a ticket of the same session', async () => {
      const connection = await accepted(cookie(login.token));
      await refresh(
        connection,
        'ticket',
        await issue({ origin: APP_ORIGIN, path: GATEWAY_PATH, scopes: ['read'] }),
      );
      expect(connection).toMatchObject({ credential: 'ticket', principal: { scopes: ['read'] } });
      expect(await count()).toBe(1);
    });

    it('takes no rate and no second place, and is not refused by the limits it already meets', async () => {
      await build({ connections: { maxPerUser: 1 }, handshake: { connectRate: { limit: 1, burst: 1 } } });
      const connection = await accepted(bearer({ user: 'u1' }));
      for (let index = 0; index < 3; index += 1)
        await refresh(connection, 'bearer', core.verifier.mint({ user: 'u1' }));
      expect([connection.isOpen, await count()]).toEqual([true, 1]);
    });

    describe('keeps the identity', () => {
      it.each(['with', 'without'])(
        'a token of another user is forbidden on a connection %s a session',
        async (session) => {
          const connection = await accepted(
            session === 'with' ? cookie(login.token) : bearer({ user: 'u1' }),
          );
          admissions.length = 0;
          const refusal = await refusalOf(refresh(connection, 'bearer', core.verifier.mint({ user: 'u2' })));
          expect(refusal).toMatchObject({
            refusal: 'forbidden',
            reason: 'identity_switch',
            close: { code: 4403 },
          });
          expect([admissions, connection.principal.id]).toEqual([[], 'u1']);
        },
      );

      it('a ticket of another user is forbidden, and not spent', async () => {
        const connection = await accepted(cookie(login.token));
        const ticket = await issue({ principal: { id: 'u2' } });
        const refusal = await refusalOf(refresh(connection, 'ticket', ticket));
        expect(refusal).toMatchObject({ refusal: 'forbidden', reason: 'identity_switch' });
        await expect(core.tickets.consume(ticket)).resolves.toBeDefined();
      });

      it('a token of another session of the user is forbidden', async () => {
        const connection = await accepted(cookie(login.token));
        const other = await core.sessions.create({ userId: 'u1' });
        admissions.length = 0;
        const token = core.verifier.mint({ user: 'u1', sid: other.session.id });
        expect(await refusalOf(refresh(connection, 'bearer', token))).toMatchObject({
          reason: 'identity_switch',
        });
        expect([admissions, connection.session!.id]).toEqual([[], login.session.id]);
      });

      it('a ticket of another session of the user is refused', async () => {
        const connection = await accepted(cookie(login.token));
        const other = await core.sessions.create({ userId: 'u1' });
        const { ticket } = await core.tickets.issue({ session: other.session.id });
        expect(await refusalOf(refresh(connection, 'ticket', ticket))).toMatchObject({
          refusal: 'unauthorized',
        });
        expect(connection.session!.id).toBe(login.session.id);
      });
    });

    it('refuses a bad credential, and leaves the connection as it was', async () => {
      const connection = await accepted(bearer({ user: 'u1' }));
      const { grant } = connection;
      core.events.length = 0;
      expect(await refusalOf(refresh(connection, 'bearer', 'forged'))).toMatchObject({
        refusal: 'unauthorized',
        reason: 'token_signature',
      });
      expect([connection.grant, connection.isOpen, await count()]).toEqual([grant, true, 1]);
      expect(core.events).toMatchObject([
        { event: 'authn_login_fail', reasonCode: 'token_signature', method: 'refresh bearer' },
      ]);
    });

    it('says that nobody can tell when the store is away, and leaves the connection as it was', async () => {
      const connection = await accepted(bearer({ user: 'u1' }));
      onAdmit = () => Promise.reject(new StoreUnavailable('away'));
      const refusal = await refusalOf(refresh(connection, 'bearer', core.verifier.mint({ user: 'u1' })));
      expect([refusal.refusal, connection.isOpen, await count()]).toEqual(['unavailable', true, 1]);
    });

    it('keeps the place of a connection whose refresh timed out and came late', async () => {
      const connection = await accepted(bearer({ user: 'u1' }));
      const { opened, open } = latch();
      onAdmit = async (_, admit) => {
        const result = await admit();
        await opened;
        return result;
      };
      const refusal = refusalOf(refresh(connection, 'bearer', core.verifier.mint({ user: 'u1' })));
      await core.advance(5_050);
      expect(await refusal).toMatchObject({ reason: 'timeout' });
      open();
      await settle();
      expect([connection.isOpen, await count()]).toEqual([true, 1]);
    });

    it.each(['verifier', 'store'])(
      'leaves nothing behind when the client goes while the %s is asked (HS-04)',
      async (whom) => {
        const connection = await accepted(bearer({ user: 'u1' }));
        const { opened, open } = latch();
        if (whom === 'verifier') core.verifier.gate = opened;
        else onAdmit = async (_, admit) => (await opened, admit());
        const work = refresh(connection, 'bearer', core.verifier.mint({ user: 'u1' }));
        await settle();
        core.connections.closed(connection, 1006);
        open();
        expect(await refusalOf(work)).toMatchObject({ reason: 'client_gone' });
        await settle();
        expect(admissions).toHaveLength(whom === 'verifier' ? 1 : 2);
        expect(await count()).toBe(0);
        expectNothingLeft();
      },
    );

    it('does not outlive a revocation that came in since the store decided (SE-03)', async () => {
      const connection = await accepted(cookie(login.token));
      onAdmit = async (_, admit) => {
        const result = await admit();
        await core.revocations.revoke({
          token: { issuer: ISSUER, jti: 'j', subject: 'u1', expiresAt: core.clock() },
        });
        return result;
      };
      const token = core.verifier.mint({ user: 'u1', sid: login.session.id, jti: 'j' });
      await refresh(connection, 'bearer', token).catch(() => {});
      expect(connection.isOpen).toBe(false);
      expect(await count()).toBe(0);
    });

    it('follows a session that is rotated since the store decided (CK-04)', async () => {
      const connection = await accepted(cookie(login.token));
      let rotated: IssuedSession | undefined;
      onAdmit = async (_, admit) => {
        const result = await admit();
        rotated = await core.sessions.rotate(login.token);
        return result;
      };
      await refresh(connection, 'bearer', core.verifier.mint({ user: 'u1', sid: login.session.id }));
      expect([connection.isOpen, connection.session!.id]).toEqual([true, rotated!.session.id]);
      expect(core.connections.ofSession(rotated!.session.id)).toEqual([connection]);
    });

    it('does not make the longest life of a connection longer (LT-01)', async () => {
      await build({ lifetime: { maxMs: 60_000 } });
      const connection = await accepted(bearer({ user: 'u1' }));
      const end = core.clock() + 60_000;
      await core.advance(50_000);
      await refresh(connection, 'bearer', core.verifier.mint({ user: 'u1' }));
      expect(connection.expiresAt).toBe(end);
      await core.advance(10_050);
      expect(connection.isOpen).toBe(false);
    });
  });

  describe('refusesByCloseCode', () => {
    const closeCode: Partial<GatewayPolicy> = { refuseBrowsersWith: 'close-code' };

    async function isToldByClose(upgrade: UpgradeInit, policy: Partial<GatewayPolicy> = closeCode) {
      const handshake = begin(upgrade, policy);
      const refusal = await refusalOf(handshake.decision);
      handshake.attempt.release();
      return core.authenticator.refusesByCloseCode(handshake.attempt, refusal) && refusal.close!.code;
    }

    it('is how a browser hears of a missing or failed credential', async () => {
      expect(await isToldByClose({})).toBe(4401);
      expect(await isToldByClose(ticketIn('nonsense'))).toBe(4401);
      expect(await isToldByClose(cookie(newSessionToken(core.hashOf('u1'))))).toBe(4401);
      expect(await isToldByClose({ url: `${GATEWAY_PATH}?token=x` })).toBe(4400);
      expect(await isToldByClose(cookie(login.token), { ...closeCode, roles: ['admin'] })).toBe(4403);
      onAdmit = async () => ({ outcome: 'limit', of: 'user' });
      expect(await isToldByClose(cookie(login.token))).toBe(4409);
      onAdmit = () => Promise.reject(new StoreUnavailable('away'));
      expect(await isToldByClose(cookie(login.token))).toBe(1013);
    });

    it('is not for machines, for other origins, nor where the gateway wants HTTP', async () => {
      expect(await isToldByClose({ headers: { authorization: 'Bearer forged' } })).toBe(false);
      expect(await isToldByClose({ ...ticketIn('nonsense'), headers: { origin: undefined } })).toBe(false);
      expect(await isToldByClose({ headers: { origin: 'https://evil.example' } })).toBe(false);
      expect(await isToldByClose({}, { refuseBrowsersWith: 'http-status' })).toBe(false);
    });

    it('is not for what is decided before the credential', async () => {
      expect(await isToldByClose({ headers: { 'sec-websocket-protocol': 'unknown' } })).toBe(false);
      core.authenticator.setState('draining');
      expect(await isToldByClose({})).toBe(false);
    });
  });

  describe('the audit log', () => {
    it('hears of a refusal what is known of it by then', async () => {
      const handshake = begin({ headers: { origin: 'https://evil.example' } });
      core.authenticator.record.refused(handshake.attempt, await refusalOf(handshake.decision));
      handshake.attempt.release();
      expect(core.events).toEqual([
        {
          ts: new Date(core.clock()).toISOString(),
          node: 'node-1',
          event: 'malicious_csrf',
          outcome: 'refused',
          reasonCode: 'origin_not_allowed',
          status: 403,
          correlationId: handshake.attempt.correlationId,
          ip: '203.0.113.7',
          ipSource: 'socket',
          origin: 'https://evil.example',
          path: GATEWAY_PATH,
        },
      ]);
    });

    it('hears of a socket that was closed before it authenticated', async () => {
      const { attempt, decision } = begin({}, { credentials: ANY });
      await decision;
      attempt.release();
      core.authenticator.record.closed(attempt, 4408, 'auth_timeout');
      expect(core.events).toMatchObject([
        { event: 'authn_login_fail', outcome: 'refused', reasonCode: 'auth_timeout', closeCode: 4408 },
      ]);
    });

    it('hears of the use of a session that has ended, by reference', async () => {
      await core.revocations.revoke({ session: login.token });
      core.events.length = 0;
      const handshake = begin(cookie(login.token));
      core.authenticator.record.refused(handshake.attempt, await refusalOf(handshake.decision));
      handshake.attempt.release();
      expect(core.events).toMatchObject([
        { event: 'session_use_after_expire', sessionRef: core.audit.referenceOf(sessionIdOf(login.token)!) },
      ]);
      expect(JSON.stringify(core.events)).not.toContain(login.session.id);
    });
  });
});
