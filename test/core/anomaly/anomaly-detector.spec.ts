import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AnomalyDetector } from '../../../lib/core/anomaly/anomaly-detector.js';
import { resolveAnomalyOptions, type AnomalyOptions } from '../../../lib/core/anomaly/anomaly-options.js';
import { Bans } from '../../../lib/core/anomaly/bans.js';
import type { AuditEvent, AuditRecord } from '../../../lib/core/audit/audit-event.js';
import { AuditLog } from '../../../lib/core/audit/audit-log.js';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import type { Notice, NoticeBoard } from '../../../lib/core/notice-board.js';
import { OptionProblems } from '../../../lib/core/option-rules.js';
import type { AnomalyStore } from '../../../lib/core/anomaly/anomaly-store.js';
import { throttleKey } from '../../../lib/core/throttle/throttle-store.js';
import { MemoryAnomalyStore } from '../../../lib/memory/memory-anomaly-store.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

const ATTACKER = '203.0.113.9';
const VICTIM = '198.51.100.7';

/** Two nodes and more hear of each other at once. */
class Boards {
  readonly #listeners: [node: number, listener: (notice: Notice) => void][] = [];

  of(node: number): NoticeBoard {
    return {
      publish: async (notice) => {
        for (const [other, listener] of this.#listeners) if (other !== node) listener(notice);
      },
      follow: (listener) => void this.#listeners.push([node, listener]),
    };
  }
}

interface Node {
  readonly events: AuditEvent[];
  readonly bans: Bans;
  readonly revoked: string[];
  readonly steppedUp: string[];
  readonly detector: AnomalyDetector;
  observe(changes: Partial<AuditRecord>, times?: number): Promise<void>;
}

function makeNode(
  options: AnomalyOptions,
  { store, notices, clock }: { store: AnomalyStore; notices: NoticeBoard; clock: FakeClock },
): Node {
  const problems = new OptionProblems();
  const resolved = resolveAnomalyOptions(options, problems);
  expect(problems.sentences).toEqual([]);
  const audit = new AuditLog({ clock, node: 'n', referenceKey: createSecretKey(Buffer.alloc(32, 1)) });
  const events: AuditEvent[] = [];
  audit.subscribe((event) => void events.push(event));
  const revoked: string[] = [];
  const steppedUp: string[] = [];
  const bans: Bans = new Bans({
    store,
    notices,
    audit,
    clock,
    ipv6Prefix: 64,
    neverBan: resolved.neverBan,
    isSpared: (prefix) => resolved.spareLoggedIn && detector.hasLoggedIn(prefix),
    onError: (error) => {
      throw error;
    },
  });
  const detector = new AnomalyDetector({
    options: resolved,
    store,
    notices,
    audit,
    clock,
    ipv6Prefix: 64,
    ban: (prefix, durationMs, rule) => bans.banByRule(prefix, durationMs, rule),
    isBanned: (prefix) => bans.remaining(prefix) > 0,
    onError: (error) => {
      throw error;
    },
    stepUp: (connection) => void steppedUp.push(connection),
    revoke: (session) => void revoked.push(session),
  });
  return {
    events,
    bans,
    revoked,
    steppedUp,
    detector,
    observe: async (changes, times = 1) => {
      for (let time = 0; time < times; time += 1)
        detector.observe({
          event: 'authn_login_fail',
          outcome: 'refused',
          reasonCode: 'token_signature',
          ip: ATTACKER,
          ...changes,
        });
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function makeNodes(options: AnomalyOptions): { a: Node; b: Node; clock: FakeClock } {
  const clock = fakeClock();
  const store = new MemoryAnomalyStore(clock);
  const boards = new Boards();
  const [a, b] = [0, 1].map((node) => makeNode(options, { store, notices: boards.of(node), clock }));
  // What the Redis store does with each ban.
  const ban = store.ban.bind(store);
  store.ban = async (given) => {
    const kept = await ban(given);
    if (kept) await boards.of(2).publish({ kind: 'ban', ban: given });
    return kept;
  };
  const lift = store.lift.bind(store);
  store.lift = async (prefix, only) => {
    const lifted = await lift(prefix, only);
    if (lifted) await boards.of(2).publish({ kind: 'lift', prefix });
    return lifted;
  };
  return { a: a!, b: b!, clock };
}

const LOGIN: Partial<AuditRecord> = {
  event: 'authn_login_success',
  outcome: 'success',
  reasonCode: 'admitted',
};
const anomalies = (...nodes: Node[]): string[] =>
  nodes.flatMap(({ events }) =>
    events
      .filter(({ event }) => event === 'anomaly_detected')
      .map(({ reasonCode, count }) => `${reasonCode} ${count}`),
  );

describe('AnomalyDetector', () => {
  it.each([
    ['ticketReplayed', 'ticket_replayed', 3],
    ['ticketWrongBinding', 'ticket_mismatch_origin', 3],
    ['cookieTossing', 'cookie_tossing_suspected', 3],
    ['failuresOfAddress', 'token_signature', 50],
  ])('tells of %s once, at its threshold over both nodes', async (rule, reasonCode, threshold) => {
    const { a, b } = makeNodes({});
    const half = Math.floor(threshold / 2);
    await a.observe({ reasonCode }, half);
    await b.observe({ reasonCode }, threshold - half - 1);
    expect(anomalies(a, b)).not.toContain(`${rule} ${threshold}`);
    await a.observe({ reasonCode });
    await a.observe({ reasonCode }, 5);
    await b.observe({ reasonCode }, 5);
    expect(anomalies(a, b).filter((told) => told.startsWith(rule))).toEqual([`${rule} ${threshold}`]);
  });

  it('tells of failures for one credential, from however many addresses', async () => {
    const { a, b } = makeNodes({ failuresOfCredential: { threshold: 10 } });
    for (let host = 1; host <= 10; host += 1)
      await (host % 2 ? a : b).observe({
        reasonCode: 'basic_refused',
        claim: 'basic:ada',
        ip: `192.0.2.${host}`,
      });
    expect(anomalies(a, b)).toEqual(['failuresOfCredential 10']);
  });

  it('keeps no key for tickets that were never issued', async () => {
    const { a } = makeNodes({ failuresOfCredential: { threshold: 2 } });
    for (const reasonCode of ['ticket_unknown', 'ticket_unknown', 'ticket_malformed'])
      await a.observe({ reasonCode, ticketHash: 'made-up' });
    expect(anomalies(a)).toEqual([]);
    await a.observe({ reasonCode: 'ticket_replayed', ticketHash: 'issued' }, 2);
    expect(anomalies(a)).toEqual(['failuresOfCredential 2']);
  });

  it('begins anew when the window is over', async () => {
    const { a, clock } = makeNodes({ cookieTossing: { threshold: 2, windowMs: 1_000 } });
    const reasonCode = 'cookie_tossing_suspected';
    await a.observe({ reasonCode });
    clock.advance(1_001);
    await a.observe({ reasonCode });
    expect(anomalies(a)).toEqual([]);
    await a.observe({ reasonCode });
    expect(anomalies(a)).toEqual(['cookieTossing 2']);
  });

  it('takes no expired token, and no missing credential, for an attack', async () => {
    const { a } = makeNodes({ failuresOfAddress: { threshold: 1 } });
    for (const reasonCode of [
      'token_expired',
      'credential_missing',
      'session_unknown',
      'connect_rate',
      'store_unavailable',
    ])
      await a.observe({ reasonCode });
    expect(anomalies(a)).toEqual([]);
  });

  it('tells of a success after failures on the other node, and of none before', async () => {
    const { a, b } = makeNodes({ successAfterFailures: { threshold: 3, action: 'step-up' } });
    const claim = 'basic:ada';
    await a.observe({ reasonCode: 'basic_refused', claim }, 2);
    await b.observe({ ...LOGIN, claim });
    expect(anomalies(a, b)).toEqual([]);
    await a.observe({ reasonCode: 'basic_refused', claim });
    await b.observe({ ...LOGIN, claim, principal: 'ada', connectionId: 'c' });
    expect(anomalies(a, b)).toEqual(['successAfterFailures 3']);
    expect(b.events.at(-1)).toMatchObject({ principal: 'ada', connectionId: 'c', ip: ATTACKER });
    expect(b.steppedUp).toEqual(['c']);
    await b.observe({ ...LOGIN, claim });
    expect(anomalies(b)).toHaveLength(1);
  });

  it('does not suspect a user for what others have tried from elsewhere (CR-05)', async () => {
    const { a, b } = makeNodes({ successAfterFailures: { threshold: 3 } });
    const claim = 'basic:ada';
    await a.observe({ reasonCode: 'basic_refused', claim }, 20);
    await b.observe({ ...LOGIN, claim, ip: VICTIM });
    expect(anomalies(b)).toEqual([]);
  });

  it('tells of a session on too many addresses, over both nodes, and can revoke it', async () => {
    const { a, b } = makeNodes({ sessionOnManyAddresses: { threshold: 3, action: 'revoke' } });
    const from = (node: Node, host: number) =>
      node.observe({ ...LOGIN, sessionId: 's', ip: `192.0.2.${host}` });
    for (const host of [1, 2, 1, 2]) await from(a, host);
    await from(b, 3);
    expect(anomalies(a, b)).toEqual([]);
    await from(b, 4);
    expect(anomalies(a, b)).toEqual(['sessionOnManyAddresses 4']);
    expect([...a.revoked, ...b.revoked]).toEqual(['s']);
    await from(b, 5);
    expect(anomalies(a, b)).toHaveLength(1);
  });

  it('gives the store no claim that could be guessed by its hash', async () => {
    const clock = fakeClock();
    const keys: string[] = [];
    const store = new MemoryAnomalyStore(clock);
    store.count = async (key) => keys.push(key);
    const node = makeNode({}, { store, notices: new Boards().of(0), clock });
    const claim = 'basic:hunter2';
    await node.observe({ reasonCode: 'basic_refused', claim });
    const guesses = [
      throttleKey('anomaly:failuresOfCredential', claim),
      throttleKey('anomaly:successAfterFailures', ATTACKER, claim),
    ];
    expect(keys).toHaveLength(3);
    expect(keys.filter((key) => guesses.includes(key))).toEqual([]);
  });

  it('tells of what this node alone has counted beyond what it asked the store', async () => {
    const clock = fakeClock();
    const store = new MemoryAnomalyStore(clock);
    const count = store.count.bind(store);
    const node = makeNode(
      { failuresOfAddress: { threshold: 150 } },
      { store, notices: new Boards().of(0), clock },
    );
    store.count = async (key, windowMs) => Math.max(0, (await count(key, windowMs)) - 20);
    await node.observe({}, 49);
    clock.advance(1_000);
    await node.observe({}, 49);
    clock.advance(1_000);
    await node.observe({}, 49);
    clock.advance(1_000);
    await node.observe({}, 10);
    expect(anomalies(node)).toEqual(['failuresOfAddress 150']);
  });

  it('asks the store nothing about a session with one address', async () => {
    const clock = fakeClock();
    let asked = 0;
    const store = new MemoryAnomalyStore(clock);
    store.addMembers = async () => ({ before: (asked += 1), after: 0 });
    const node = makeNode({}, { store, notices: new Boards().of(0), clock });
    for (let index = 0; index < 100; index += 1) await node.observe({ ...LOGIN, sessionId: `s-${index}` });
    await node.observe({ ...LOGIN, sessionId: 's-0' }, 100);
    expect(asked).toBe(0);
  });

  it('counts for itself while the store is away, and asks it no more than 100 times a second', async () => {
    const clock = fakeClock();
    let asked = 0;
    const store = new MemoryAnomalyStore(clock);
    store.count = async () => {
      asked += 1;
      throw new StoreUnavailable('away');
    };
    const node = makeNode(
      { failuresOfAddress: { threshold: 5 } },
      { store, notices: new Boards().of(0), clock },
    );
    await node.observe({}, 5);
    expect(anomalies(node)).toEqual(['failuresOfAddress 5']);
    await node.observe({}, 1_000);
    expect(asked).toBe(100);
    expect(anomalies(node)).toHaveLength(1);
  });

  it('bounds what it keeps when every address and session is another one', async () => {
    const { a } = makeNodes({});
    for (let host = 0; host < 25_000; host += 1) {
      const ip = `10.${host >> 16}.${(host >> 8) & 255}.${host & 255}`;
      a.detector.observe({
        event: 'authn_login_fail',
        outcome: 'refused',
        reasonCode: 'token_signature',
        ip,
      });
      a.detector.observe({
        event: 'authn_login_success',
        outcome: 'success',
        reasonCode: 'admitted',
        ip,
        sessionId: `${host}`,
      });
    }
    expect(a.detector.sizes.every((size) => size <= 10_000)).toBe(true);
    expect(a.detector.sizes.some((size) => size === 10_000)).toBe(true);
  });
});

describe('what a rule does', () => {
  const reasonCode = 'ticket_replayed';

  it('is told with it: nothing by default', async () => {
    const { a } = makeNodes({});
    await a.observe({ reasonCode }, 3);
    expect(a.events.map(({ event, action }) => [event, action])).toEqual([['anomaly_detected', 'none']]);
    expect(a.bans.size).toBe(0);
  });

  it('bans the address on both nodes, for its time', async () => {
    const { a, b, clock } = makeNodes({ ticketReplayed: { action: 'ban' }, banMs: 60_000 });
    await a.observe({ reasonCode }, 3);
    expect([a.bans.remaining(ATTACKER), b.bans.remaining(ATTACKER)]).toEqual([60_000, 60_000]);
    expect(a.bans.remaining(VICTIM)).toBe(0);
    expect(a.events.map(({ event, action }) => [event, action])).toEqual([
      ['address_banned', undefined],
      ['anomaly_detected', 'ban'],
    ]);
    clock.advance(60_000);
    expect([a.bans.remaining(ATTACKER), b.bans.remaining(ATTACKER)]).toEqual([0, 0]);
  });

  it('backs off for twice as long with each further time, and never for longer than a ban', async () => {
    const { a, clock } = makeNodes({ ticketReplayed: { action: 'back-off' }, banMs: 5_000 });
    await a.observe({ reasonCode }, 3);
    const waits: number[] = [];
    for (let times = 0; times < 5; times += 1) {
      waits.push(a.bans.remaining(ATTACKER));
      clock.advance(a.bans.remaining(ATTACKER));
      await a.observe({ reasonCode });
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
  });

  it('spares an address from which somebody has logged in, on either node (CR-05)', async () => {
    const { a, b } = makeNodes({ ticketReplayed: { action: 'ban' } });
    await b.observe({ ...LOGIN });
    await b.observe({ reasonCode }, 3);
    expect([a.bans.remaining(ATTACKER), b.bans.remaining(ATTACKER)]).toEqual([0, 0]);
    expect(b.events.at(-1)).toMatchObject({ event: 'anomaly_detected', action: 'none' });
  });

  it('is taken back by the node that knows that somebody is there (CR-05)', async () => {
    const { a, b } = makeNodes({ ticketReplayed: { action: 'ban' } });
    await b.observe({ ...LOGIN });
    await a.observe({ reasonCode }, 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect([a.bans.remaining(ATTACKER), b.bans.remaining(ATTACKER)]).toEqual([0, 0]);
    expect(b.events.at(-1)).toMatchObject({ event: 'address_unbanned', reasonCode: 'logged_in' });
    expect(await a.bans.list()).toEqual([]);
  });

  it('comes again when a ban is over and the address goes on, in the same window', async () => {
    const { a, b, clock } = makeNodes({ ticketReplayed: { action: 'ban' }, banMs: 1_000 });
    await a.observe({ reasonCode }, 3);
    clock.advance(1_000);
    await b.observe({ reasonCode });
    expect([a.bans.remaining(ATTACKER), b.bans.remaining(ATTACKER)]).toEqual([1_000, 1_000]);
    expect(anomalies(a, b)).toEqual(['ticketReplayed 3']);
  });

  it('is done once to an address that goes on while it is banned', async () => {
    const { a } = makeNodes({ ticketReplayed: { action: 'back-off' } });
    await a.observe({ reasonCode }, 20);
    expect(a.bans.remaining(ATTACKER)).toBe(1_000);
    expect(a.events.filter(({ event }) => event === 'address_banned')).toHaveLength(1);
  });

  it.each(['ban', 'back-off'] as const)(
    'is not done by %s to the owner of a credential for what others do with it (CR-05)',
    async (action) => {
      const { a, b } = makeNodes({ failuresOfCredential: { threshold: 10, action } });
      const guess = { reasonCode: 'basic_refused', claim: 'basic:ada' };
      await a.observe(guess, 9);
      await a.observe({ ...guess, ip: VICTIM });
      await b.observe({ ...guess, ip: VICTIM }, 2);
      await a.observe(guess, 30);
      await a.observe({ ...guess, ip: VICTIM }, 2);
      expect([a.bans.remaining(VICTIM), b.bans.remaining(VICTIM)]).toEqual([0, 0]);
      expect(a.bans.remaining(ATTACKER)).toBeGreaterThan(0);
      expect(anomalies(a, b)).toEqual(['failuresOfCredential 10']);
      expect(a.events.find(({ event }) => event === 'anomaly_detected')).toMatchObject({ action: 'none' });
    },
  );

  it('spares nobody where that is off, and never who is listed', async () => {
    const { a } = makeNodes({
      ticketReplayed: { action: 'ban' },
      spareLoggedIn: false,
      neverBan: ['198.51.100.0/24', '2001:db8::/32'],
    });
    await a.observe({ ...LOGIN });
    await a.observe({ reasonCode }, 3);
    expect(a.bans.remaining(ATTACKER)).toBeGreaterThan(0);
    await a.observe({ reasonCode, ip: VICTIM }, 3);
    await a.observe({ reasonCode, ip: '2001:db8:0:1:0:0:0:1' }, 3);
    expect(a.bans.size).toBe(1);
  });
});

describe('the options', () => {
  it('say what a rule may do: no user and no session is ended by the failures of others (CR-05)', () => {
    const problems = new OptionProblems();
    resolveAnomalyOptions(
      {
        failuresOfCredential: { action: 'revoke' },
        successAfterFailures: { action: 'ban' },
        cookieTossing: { action: 'ban' },
        neverBan: ['office'],
      },
      problems,
    );
    expect(problems.sentences).toEqual([
      'option "anomalies.failuresOfCredential.action" must be one of "none", "back-off", "ban", received "revoke"',
      'option "anomalies.successAfterFailures.action" must be one of "none", "step-up", received "ban"',
      'option "anomalies.cookieTossing.action" must be one of "none", received "ban"',
      'option "anomalies.neverBan" must be a list of addresses and networks such as "10.0.0.0/8"; "office" is none',
    ]);
  });
});
