import { beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import type { GatewayPolicy } from '../../../lib/core/handshake/gateway-policy.js';
import { HandshakeAuthenticator } from '../../../lib/core/handshake/handshake-authenticator.js';
import type { WsAuthOptions } from '../../../lib/core/options.js';
import type { AdmissionRequest } from '../../../lib/core/session/connection-registry.js';
import {
  beginHandshake,
  coreHarness,
  gatewayPolicy,
  latch,
  refusalOf,
  settle,
  withAdmissions,
  type CoreHarness,
  type HandshakeTry,
} from '../../support/core-harness.js';

/** Six at once, and the next one after ten minutes: nothing comes back while a test looks. */
const connectRate = { limit: 6, windowMs: 3_600_000, burst: 6 };
const PUBLIC: Partial<GatewayPolicy> = { access: 'public' };
const WAITING: Partial<GatewayPolicy> = { credentials: new Set(['bearer', 'cookie', 'first-message']) };

describe('ConnectRate', () => {
  let here: CoreHarness;
  let there: CoreHarness;
  /** Requests for admission that reached the store. */
  let admissions: AdmissionRequest[];

  /** Two nodes on the stores of the first. */
  beforeEach(() => {
    admissions = [];
    const options: Partial<WsAuthOptions> = { handshake: { connectRate }, storeOutage: { expectedNodes: 3 } };
    here = coreHarness({
      options,
      wrapStores: (stores) =>
        withAdmissions(stores, (request, admit) => {
          admissions.push(request);
          return admit();
        }),
    });
    there = coreHarness({ options, wrapStores: () => here.stores });
  });

  const knock = (node: CoreHarness, policy: Partial<GatewayPolicy>, headers = {}): HandshakeTry =>
    beginHandshake(node, { headers }, gatewayPolicy(policy));

  /** What becomes of a handshake: what was decided, or why not. */
  async function fateOf({ decision, attempt }: HandshakeTry): Promise<string> {
    const fate = await decision.then(
      ({ kind }) => kind,
      (error: { reason: string }) => error.reason,
    );
    attempt.release();
    return fate;
  }

  /** Five handshakes on each of the nodes, in turn. */
  async function burst(policy: Partial<GatewayPolicy>): Promise<string[]> {
    const fates: string[] = [];
    for (let index = 0; index < 10; index += 1)
      fates.push(await fateOf(knock([here, there][index % 2]!, policy)));
    return fates;
  }

  it.each([
    ['of a public gateway', PUBLIC, 'public'],
    ['that wait for their first message', WAITING, 'wait'],
  ])('limits sockets %s over both nodes together (TH-01)', async (_, policy, kind) => {
    expect(await burst(policy)).toEqual([...Array(6).fill(kind), ...Array(4).fill('connect_rate')]);
    const refusal = await refusalOf(knock(there, policy).decision);
    expect(refusal).toMatchObject({ refusal: 'rate_limited', retryAfterMs: 600_000 });
    expect(admissions).toEqual([]);
  });

  it('is one rate for sockets with and without an admission (TH-01)', async () => {
    const headers = { authorization: `Bearer ${here.verifier.mint()}` };
    const fates: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      fates.push(await fateOf(knock(here, {}, headers)));
      fates.push(await fateOf(knock(there, index === 0 ? PUBLIC : WAITING)));
    }
    expect(fates).toEqual(['accept', 'public', 'accept', 'wait', 'accept', 'wait']);
    expect(await fateOf(knock(here, {}, headers))).toBe('connect_rate');
    expect(await fateOf(knock(there, PUBLIC))).toBe('connect_rate');
  });

  it('counts a socket once, which waited and then sent its first message', async () => {
    for (let index = 0; index < 6; index += 1) {
      const { attempt, decision } = knock(here, WAITING);
      expect(await decision).toEqual({ kind: 'wait' });
      const credential = { kind: 'bearer', value: here.verifier.mint() } as const;
      expect((await here.authenticator.authenticateFirstMessage(attempt, credential)).isOpen).toBe(true);
      attempt.release();
    }
    expect(admissions.map(({ rate }) => rate)).toEqual(Array(6).fill(undefined));
    expect(await fateOf(knock(there, WAITING))).toBe('connect_rate');
  });

  it('counts a socket once, whose cookie names a session that has ended', async () => {
    const { token } = await here.sessions.create({ userId: 'u1' });
    await here.sessions.revoke({ session: token });
    const headers = { cookie: `__Host-sid=${token}` };
    for (let index = 0; index < 6; index += 1)
      expect(await fateOf(knock(here, WAITING, headers))).toBe('wait');
    expect(await fateOf(knock(there, WAITING))).toBe('connect_rate');
  });

  it.each([
    ['of a public gateway', PUBLIC, 'public'],
    ['that wait for their first message', WAITING, 'wait'],
  ])(
    'holds sockets %s to the share of this node while the store is away (TH-09)',
    async (_, policy, kind) => {
      const { take } = here.stores.throttle;
      here.stores.throttle.take = () => Promise.reject(new StoreUnavailable('away'));
      const fates: string[] = [];
      for (let index = 0; index < 4; index += 1) fates.push(await fateOf(knock(here, policy)));
      expect(fates).toEqual([kind, kind, 'connect_rate', 'connect_rate']);
      here.stores.throttle.take = take.bind(here.stores.throttle);
      await here.advance(3_600_000);
      expect(await fateOf(knock(here, policy))).toBe(kind);
    },
  );

  it('asks no store where there is one node, and limits all the same (TH-01)', async () => {
    const alone = { ...here, authenticator: new HandshakeAuthenticator({ ...here, sharedRates: undefined }) };
    here.stores.throttle.take = () => Promise.reject(new Error('the store was asked'));
    const withToken = (): HandshakeTry =>
      knock(alone, {}, { authorization: `Bearer ${here.verifier.mint()}` });
    const fates = [];
    for (const next of [knock(alone, PUBLIC), knock(alone, WAITING), withToken(), withToken()])
      fates.push(await fateOf(next));
    expect(fates).toEqual(['public', 'wait', 'accept', 'accept']);
    expect(admissions.map(({ rate }) => rate)).toEqual([undefined, undefined]);
    for (let index = 0; index < 2; index += 1) expect(await fateOf(knock(alone, PUBLIC))).toBe('public');
    expect(await fateOf(withToken())).toBe('connect_rate');
    expect(admissions).toHaveLength(2);
  });

  it('lets a client go that does not wait for the store (HS-04)', async () => {
    const { opened, open } = latch();
    here.stores.throttle.take = async () => {
      await opened;
      return { allowed: true, retryAfterMs: 0 };
    };
    const { attempt, decision } = knock(here, PUBLIC);
    await settle();
    attempt.abort('client_gone');
    expect(await refusalOf(decision)).toMatchObject({ reason: 'client_gone' });
    attempt.release();
    open();
    await settle();
    expect(here.authenticator.counts).toEqual({ pending: 0, waiting: 0 });
    expect(here.events.filter(({ outcome }) => outcome === 'success')).toEqual([]);
  });
});
