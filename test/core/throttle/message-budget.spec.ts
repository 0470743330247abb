import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../../lib/core/connection.js';
import { GcraLimiter } from '../../../lib/core/throttle/gcra.js';
import { MessageBudget } from '../../../lib/core/throttle/message-budget.js';
import { MessageThrottle, type Sender } from '../../../lib/core/throttle/message-throttle.js';
import { compileThrottleLimits, type ThrottleLimit } from '../../../lib/core/throttle/throttle-limit.js';
import {
  THROTTLE_DEFAULTS,
  type ResolvedThrottleOptions,
} from '../../../lib/core/throttle/throttle-options.js';
import type { ThrottleStore } from '../../../lib/core/throttle/throttle-store.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

const MESSAGE = { event: 'say', data: 'hello' };

/** As much of a connection as a limit looks at. */
function sender(user: string, change: { tenant?: string; address?: string } = {}): Sender {
  const principal = { id: user, roles: [], scopes: [], tenant: change.tenant };
  const connection = { principal, grant: { userHash: `hash of ${user}` } } as unknown as Connection;
  return { connection, address: change.address ?? '192.0.2.1' };
}

describe('MessageBudget', () => {
  let clock: FakeClock;
  let errors: unknown[];
  let throttle: MessageThrottle;

  const build = (options: Partial<ResolvedThrottleOptions> = {}, store?: ThrottleStore): MessageThrottle =>
    new MessageThrottle({
      options: { ...THROTTLE_DEFAULTS, ...options },
      store,
      expectedNodes: 2,
      clock,
      onStoreAway: () => {},
      onError: (error) => errors.push(error),
    });

  beforeEach(() => {
    clock = fakeClock(1_000_000);
    errors = [];
    throttle = build();
  });

  const budget = (of: Sender = sender('u1')): MessageBudget => new MessageBudget(throttle, of);
  const rules = (...limits: ThrottleLimit[]) => compileThrottleLimits(limits, 'Gateway.handler');
  /** How many of so many frames are taken. */
  const takenOf = (count: number, take: () => unknown): number => {
    let taken = 0;
    for (let index = 0; index < count; index += 1) taken += Number(take() === null);
    return taken;
  };

  describe('takeFrame', () => {
    it('lets 200 frames of a connection through at once, and 50 more each second (TH-02)', () => {
      const one = budget();
      expect(takenOf(300, () => one.takeFrame(10))).toBe(200);
      clock.advance(1_000);
      expect(takenOf(300, () => one.takeFrame(10))).toBe(50);
    });

    it('says how long to wait, and means it', () => {
      const one = budget();
      takenOf(200, () => one.takeFrame(1));
      const refusal = one.takeFrame(1)!;
      expect(refusal).toMatchObject({ name: 'connection', limit: 3_000, remaining: 0 });
      expect(refusal.retryAfterMs).toBe(20);
      clock.advance(refusal.retryAfterMs);
      expect(one.takeFrame(1)).toBeNull();
    });

    it('counts bytes: a burst of 1 MiB, and 256 KiB more each second (TH-02)', () => {
      const one = budget();
      expect(takenOf(40, () => one.takeFrame(65_536))).toBe(16);
      clock.advance(1_000);
      expect(takenOf(40, () => one.takeFrame(65_536))).toBe(4);
    });

    it('takes a frame that is larger than the burst when nothing is owed, and then makes it wait', () => {
      throttle = build({ perConnectionBytes: { limit: 1_000, windowMs: 1_000, burst: 1_000 } });
      const one = budget();
      expect(one.takeFrame(3_000)).toBeNull();
      clock.advance(2_500);
      expect(one.takeFrame(1)).toBeNull();
      expect(one.takeFrame(3_000)).toMatchObject({ name: 'connection_bytes' });
    });

    it('makes the next frames wait for those that could not be refused any more', () => {
      const one = budget();
      for (let index = 0; index < 256; index += 1) one.chargeFrame(1);
      expect(one.takeFrame(1)).toMatchObject({ name: 'connection', retryAfterMs: 57 * 20 });
    });

    it('counts each connection apart', () => {
      const [one, other] = [budget(), budget()];
      takenOf(200, () => one.takeFrame(1));
      expect(other.takeFrame(1)).toBeNull();
    });
  });

  describe('takeOfUser', () => {
    it('holds ten connections of a user to one limit, and no other user (TH-02)', () => {
      const many = Array.from({ length: 10 }, () => budget());
      expect(takenOf(500, () => many[Math.floor(Math.random() * 10)]!.takeOfUser())).toBe(400);
      expect(budget(sender('u2')).takeOfUser()).toBeNull();
    });

    it('is not reset by a reconnect (TH-02)', () => {
      takenOf(400, () => budget().takeOfUser());
      expect(budget().takeOfUser()).toMatchObject({ name: 'user', limit: 6_000 });
    });

    it('counts the address where there is no user', () => {
      const at = (address: string): MessageBudget => budget({ connection: undefined, address });
      expect(takenOf(500, () => at('192.0.2.9').takeOfUser())).toBe(400);
      expect(at('192.0.2.10').takeOfUser()).toBeNull();
    });

    it('counts on all nodes together through a store (TH-02)', async () => {
      const shared = new GcraLimiter(THROTTLE_DEFAULTS.perUser);
      const store: ThrottleStore = {
        take: async (key, _, cost) => shared.take(key, clock(), cost),
        takeUpTo: async (key, _, wanted) => shared.takeUpTo(key, clock(), wanted),
        giveBack: async (key, _, count) => shared.giveBack(key, clock(), count),
      };
      const nodes = [build({}, store), build({}, store)].map((node) => new MessageBudget(node, sender('u1')));
      let taken = 0;
      for (let index = 0; index < 1_000; index += 1)
        taken += Number((await nodes[index % 2]!.takeOfUser()) === null);
      expect(taken).toBeLessThanOrEqual(400);
      expect(taken).toBeGreaterThan(200);
    });

    it('leaves the store alone where the limit is not shared', async () => {
      const perUser = { ...THROTTLE_DEFAULTS.perUser, shared: false };
      const store = { take: fail, takeUpTo: fail, giveBack: fail };
      throttle = build({ perUser }, store);
      expect(takenOf(500, () => budget().takeOfUser())).toBe(400);
    });
  });

  describe('takeMalformed and takeViolation', () => {
    it('forgives 20 malformed frames in a minute, and charges the user for all (TH-02, MS-03)', () => {
      const one = budget();
      expect(takenOf(30, () => one.takeMalformed())).toBe(20);
      expect(takenOf(500, () => budget().takeOfUser())).toBe(370);
    });

    it('gives a connection up after 20 violations in 10 seconds (TH-02)', () => {
      const one = budget();
      expect(one.isClean).toBe(true);
      for (let index = 0; index < 20; index += 1) expect(one.takeViolation()).toBe(true);
      expect(one.isClean).toBe(false);
      expect(one.takeViolation()).toBe(false);
      clock.advance(10_000);
      expect(one.isClean).toBe(true);
      expect(one.takeViolation()).toBe(true);
    });
  });

  describe('takeByRules', () => {
    it('counts per connection, user, address and tenant apart', () => {
      const limited = (per: ThrottleLimit['per']) => rules({ limit: 2, windowMs: 60_000, per });
      const take = (by: ReturnType<typeof rules>, of: MessageBudget) =>
        takenOf(5, () => of.takeByRules(by, MESSAGE, 1));
      const [connection, user, address, tenant] = (['connection', 'user', 'address', 'tenant'] as const).map(
        limited,
      );
      const ada = sender('ada', { tenant: 't1', address: '192.0.2.1' });
      expect([take(connection!, budget(ada)), take(connection!, budget(ada))]).toEqual([2, 2]);
      expect([take(user!, budget(ada)), take(user!, budget(ada))]).toEqual([2, 0]);
      expect([take(address!, budget(ada)), take(address!, budget(sender('bob')))]).toEqual([2, 0]);
      const [bob, eve] = [sender('bob', { tenant: 't1' }), sender('eve', { tenant: 't2' })];
      expect([take(tenant!, budget(ada)), take(tenant!, budget(bob)), take(tenant!, budget(eve))]).toEqual([
        2, 0, 2,
      ]);
    });

    it('counts whom a function names, and the user when it names nobody or fails (TH-08)', () => {
      let answer: unknown = 'room 1';
      const by = rules({ limit: 1, windowMs: 60_000, per: () => answer as string });
      const take = (user: string) => budget(sender(user)).takeByRules(by, MESSAGE, 1);
      expect(take('u1')).toBeNull();
      expect(take('u2')).toMatchObject({ name: 'default' });
      answer = undefined;
      expect([take('u1'), take('u2')]).toEqual([null, null]);
      expect(take('u1')).toMatchObject({ name: 'default' });
      answer = 42;
      expect(take('u3')).toBeNull();
      expect(errors).toHaveLength(1);
    });

    it('counts bytes and cost', () => {
      const bytes = rules({ bytes: 100, windowMs: 60_000 });
      expect(takenOf(9, () => budget().takeByRules(bytes, MESSAGE, 30))).toBe(3);
      const cost = rules({ name: 'c', limit: 10, windowMs: 60_000, cost: ({ data }) => String(data).length });
      expect(takenOf(9, () => budget().takeByRules(cost, MESSAGE, 1))).toBe(2);
    });

    it('counts one for a cost function that fails or answers nonsense, and says so', () => {
      const by = rules({ limit: 2, windowMs: 60_000, cost: () => Number.NaN });
      expect(takenOf(5, () => budget().takeByRules(by, MESSAGE, 1))).toBe(2);
      expect(errors).toHaveLength(5);
    });

    it('holds a message against several limits, and names the one that refuses', () => {
      const by = rules(
        { name: 'wide', limit: 5, windowMs: 60_000 },
        { name: 'narrow', limit: 2, windowMs: 1_000 },
      );
      const one = budget();
      expect(takenOf(3, () => one.takeByRules(by, MESSAGE, 1))).toBe(2);
      expect(one.takeByRules(by, MESSAGE, 1)).toMatchObject({ name: 'narrow', limit: 2 });
      clock.advance(1_000);
      expect(one.takeByRules(by, MESSAGE, 1)).toBeNull();
      expect(one.takeByRules(by, MESSAGE, 1)).toMatchObject({ name: 'wide' });
    });

    it('says how many are left for a cost that does not fit', () => {
      const by = rules({ limit: 10, windowMs: 60_000, cost: 4 });
      const one = budget();
      takenOf(2, () => one.takeByRules(by, MESSAGE, 1));
      expect(one.takeByRules(by, MESSAGE, 1)).toMatchObject({ remaining: 2 });
    });

    it('counts two places with limits of one name apart', () => {
      const limit = { limit: 1, windowMs: 60_000 };
      const [a, b] = [compileThrottleLimits([limit], 'A.x'), compileThrottleLimits([limit], 'B.y')];
      const one = budget();
      expect(one.takeByRules(a, MESSAGE, 1)).toBeNull();
      expect(one.takeByRules(b, MESSAGE, 1)).toBeNull();
      expect(one.takeByRules(a, MESSAGE, 1)).not.toBeNull();
    });
  });
});

function fail(): never {
  throw new Error('the store was asked');
}
