import { beforeEach, describe, expect, it } from 'vitest';
import { Heartbeat, type Pulse } from '../../../lib/core/lifetime/heartbeat.js';
import { PING_BYTES, PingPayloads } from '../../../lib/core/lifetime/ping-payloads.js';

const INTERVAL = 30_000;
const TIMEOUT = 10_000;

describe('Heartbeat', () => {
  let pings: Buffer[];
  let peer: { ping(payload: Buffer): void; isReadingPaused: boolean };

  beforeEach(() => {
    pings = [];
    peer = { ping: (payload) => pings.push(payload), isReadingPaused: false };
  });

  /** The heartbeat of one peer that comes at 0. */
  function heartbeat({ random = (): number => 0, pingIntervalMs = INTERVAL, pongTimeoutMs = TIMEOUT } = {}) {
    const ofNode = new Heartbeat({ pingIntervalMs, pongTimeoutMs, payloads: new PingPayloads(), random });
    const pulse: Pulse = { nextPingAt: ofNode.nextPingAt(0), awaitedPong: undefined };
    return {
      nextAt: () => ofNode.nextAt(pulse),
      beat: (now: number) => ofNode.beat(pulse, now, peer),
      pong: (payload: Buffer) => ofNode.pong(pulse, payload),
      readingResumed: (now: number) => ofNode.readingResumed(pulse, now),
    };
  }

  it('pings after the interval, with eight random bytes, and not before (LT-04)', () => {
    const beats = heartbeat();
    expect(beats.nextAt()).toBe(INTERVAL);
    expect(beats.beat(INTERVAL - 1)).toBe(true);
    expect(pings).toEqual([]);
    expect(beats.beat(INTERVAL)).toBe(true);
    expect(pings.map(({ length }) => length)).toEqual([PING_BYTES]);
  });

  it('finds a peer that does not answer in time, 40 seconds after the last sign of life (LT-04)', () => {
    const beats = heartbeat();
    beats.beat(INTERVAL);
    expect(beats.nextAt()).toBe(INTERVAL + TIMEOUT);
    expect(beats.beat(INTERVAL + TIMEOUT - 1)).toBe(true);
    expect(beats.beat(INTERVAL + TIMEOUT)).toBe(false);
  });

  it('goes on for as long as it is answered, with another payload each time (LT-04)', () => {
    const beats = heartbeat();
    for (let round = 1; round <= 50; round += 1) {
      expect(beats.beat(round * INTERVAL)).toBe(true);
      beats.pong(Buffer.from(pings.at(-1)!));
      expect(beats.nextAt()).toBe((round + 1) * INTERVAL);
    }
    expect(new Set(pings.map((payload) => payload.toString('hex'))).size).toBe(50);
  });

  it.each([
    ['nothing in it', () => Buffer.alloc(0)],
    ['another payload', () => Buffer.alloc(PING_BYTES, 7)],
    ['one that is too short', (sent: Buffer) => sent.subarray(0, 4)],
    ['one that is too long', (sent: Buffer) => Buffer.concat([sent, Buffer.alloc(1)])],
    ['the first half right', (sent: Buffer) => Buffer.concat([sent.subarray(0, 4), Buffer.alloc(4)])],
    ['the second half right', (sent: Buffer) => Buffer.concat([Buffer.alloc(4), sent.subarray(4)])],
  ])('takes no pong with %s for an answer (LT-04)', (_, answer) => {
    const beats = heartbeat();
    beats.beat(INTERVAL);
    for (let pong = 0; pong < 100; pong += 1) beats.pong(answer(pings[0]!));
    expect(beats.beat(INTERVAL + TIMEOUT)).toBe(false);
  });

  it('takes no answer to an earlier ping, nor one in advance (LT-04)', () => {
    const beats = heartbeat();
    beats.beat(INTERVAL);
    beats.pong(pings[0]!);
    beats.pong(pings[0]!);
    beats.beat(2 * INTERVAL);
    beats.pong(pings[0]!);
    expect(beats.beat(2 * INTERVAL + TIMEOUT)).toBe(false);
  });

  it('sends no second ping while one is unanswered', () => {
    const beats = heartbeat({ pingIntervalMs: 1_000, pongTimeoutMs: 5_000 });
    for (let now = 1_000; now < 6_000; now += 100) expect(beats.beat(now)).toBe(true);
    expect(pings).toHaveLength(1);
    beats.pong(pings[0]!);
    expect(beats.beat(6_000)).toBe(true);
    expect(pings).toHaveLength(2);
  });

  describe('while this side does not read', () => {
    it('waits, however long that is (LT-04)', () => {
      const beats = heartbeat();
      beats.beat(INTERVAL);
      peer.isReadingPaused = true;
      for (let now = INTERVAL; now < 10 * INTERVAL; now += 50) expect(beats.beat(now)).toBe(true);
      expect(pings).toHaveLength(1);
    });

    it('gives the peer the whole time anew when it reads again (LT-04)', () => {
      const beats = heartbeat();
      beats.beat(INTERVAL);
      const resumedAt = INTERVAL + TIMEOUT - 1;
      beats.readingResumed(resumedAt);
      expect(beats.beat(resumedAt + TIMEOUT - 1)).toBe(true);
      expect(beats.beat(resumedAt + TIMEOUT)).toBe(false);
    });

    it('owes nothing when it reads again and no ping is open', () => {
      const beats = heartbeat();
      beats.readingResumed(5);
      expect(beats.nextAt()).toBe(INTERVAL);
    });

    it('holds nothing against the peer after this process stood still (LT-04)', () => {
      const beats = heartbeat();
      beats.beat(INTERVAL);
      const awake = INTERVAL + TIMEOUT + 60_000;
      expect(beats.beat(awake)).toBe(true);
      expect(beats.beat(awake + TIMEOUT)).toBe(false);
    });
  });

  it('lets the pings of peers that came together drift apart', () => {
    let state = 1;
    const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const beats = Array.from({ length: 1_000 }, () => heartbeat({ random }));
    const firsts = beats.map(({ nextAt }) => nextAt());
    expect(Math.max(...firsts)).toBeLessThanOrEqual(INTERVAL);
    expect(Math.min(...firsts)).toBeGreaterThanOrEqual(INTERVAL * 0.75);
    const ofTick = new Map<number, number>();
    for (const at of firsts) ofTick.set(Math.ceil(at / 50), (ofTick.get(Math.ceil(at / 50)) ?? 0) + 1);
    expect(Math.max(...ofTick.values())).toBeLessThan(50);
  });
});
