import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from '../../../lib/core/connection.js';
import { newId } from '../../../lib/core/identifiers.js';
import { DeadlineWheel } from '../../../lib/core/lifetime/deadline-wheel.js';
import { LIFETIME_DEFAULTS } from '../../../lib/core/lifetime/lifetime-options.js';
import { Lifetime } from '../../../lib/core/lifetime/lifetime.js';
import { ConnectionService } from '../../../lib/core/session/connection-service.js';
import {
  coreHarness,
  grantOf,
  HANDSHAKE,
  record,
  settle,
  type CoreHarness,
} from '../../support/core-harness.js';

const SOCKETS = 10_000;

describe('ten thousand connections', () => {
  let core: CoreHarness;
  let connections: ConnectionService;
  let wheel: DeadlineWheel;

  beforeEach(() => {
    core = coreHarness();
    const { stores, audit, clock, monotonic } = core;
    const onError = (error: unknown) => void core.errors.push(error);
    wheel = new DeadlineWheel({ now: monotonic, onError });
    // Not the lifetime of the harness, whose chance always says the same.
    const lifetime = new Lifetime({ limits: LIFETIME_DEFAULTS, wheel, clock, monotonic });
    connections = new ConnectionService({
      stores,
      audit,
      clock,
      monotonic,
      wheel,
      lifetime,
      closeCodes: 'project',
      sessionIdleMs: 1_800_000,
      extendedByMessages: true,
      onError,
    });
  });
  afterEach(() => wheel.stop());

  function open(index: number) {
    const grant = grantOf({ userHash: core.hashOf(`u${index}`), expiresAt: core.clock() + 8 * 3_600_000 });
    const connection = connections.open(newId(), HANDSHAKE, grant, '0-0', undefined);
    return Object.assign(record(connection), { connection });
  }

  const openAll = () => Array.from({ length: SOCKETS }, (_, index) => open(index));

  /** Lets time pass tick by tick. @returns what each sweep cost, in ms, from the cheapest to the dearest */
  async function pass(seconds: number): Promise<number[]> {
    const costs: number[] = [];
    for (let tick = 0; tick < seconds * 20; tick += 1) {
      core.clock.advance(50);
      core.monotonic.advance(50);
      const begun = performance.now();
      wheel.sweep();
      costs.push(performance.now() - begun);
      if (tick % 4 === 0) await settle();
    }
    await settle();
    return costs.toSorted((a, b) => a - b);
  }

  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

  it('have no timers of their own: the sweep has the only one (LT-02)', () => {
    wheel.start();
    const before = timers();
    const made = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'setInterval')];
    const opened = openAll();
    for (const { connection } of opened) connections.mayReceive(connection);
    expect(made.map((spy) => spy.mock.calls.length)).toEqual([0, 0]);
    expect([timers(), wheel.size]).toEqual([before, SOCKETS]);
    vi.restoreAllMocks();
  });

  it('cost little to watch, and do not ping at the same time (LT-04)', async () => {
    const opened = openAll();
    const pinged = (): number => opened.reduce((sum, { pings }) => sum + pings.length, 0);
    const costs = await pass(50);
    for (let second = 0; second < 5; second += 1) {
      const before = pinged();
      costs.push(...(await pass(1)));
      // Spread over 15 seconds, as second pings are, it is some 700; in step it would be all of them, or none.
      expect(pinged() - before).toBeGreaterThan(100);
      expect(pinged() - before).toBeLessThan(2_000);
    }
    costs.sort((a, b) => a - b);
    expect(core.errors).toEqual([]);
    expect(opened.every(({ connection }) => connection.isOpen)).toBe(true);
    const total = costs.reduce((sum, cost) => sum + cost, 0);
    const p99 = costs[Math.floor(costs.length * 0.99)]!;
    console.log(
      `sweep of ${SOCKETS} connections: ${(total / 55).toFixed(2)} ms in a second of 20 ticks, ` +
        `p99 of a tick ${p99.toFixed(2)} ms, most ${costs.at(-1)!.toFixed(2)} ms`,
    );
    expect(total / 55).toBeLessThan(50);
  });

  it('pay nothing for messages but a timestamp (SE-08)', () => {
    const opened = openAll();
    const schedule = vi.spyOn(wheel, 'schedule');
    const reschedule = vi.spyOn(wheel, 'reschedule');
    const cancel = vi.spyOn(wheel, 'cancel');
    for (let round = 0; round < 10; round += 1) {
      core.clock.advance(1);
      for (const { connection } of opened) expect(connections.mayReceive(connection)).toBe(true);
    }
    expect([schedule, reschedule, cancel].map((spy) => spy.mock.calls.length)).toEqual([0, 0, 0]);
    vi.restoreAllMocks();
  });

  it('are cut when all of their peers fall silent at once (LT-04)', async () => {
    const opened = openAll();
    for (const socket of opened) socket.answersPings = false;
    await pass(41);
    connections.flushCloses();
    const isCut = ({ cuts, connection }: { cuts: number; connection: Connection }) =>
      cuts === 1 && !connection.isOpen;
    expect(opened.filter(isCut)).toHaveLength(SOCKETS);
    expect(wheel.size).toBe(0);
  });
});
