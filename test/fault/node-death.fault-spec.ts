import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreNode } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { forkTypeScript, type TypeScriptProcess } from '../support/typescript-process.js';

const LEASE = { beatMs: 250, leaseMs: 2_000 };
const LIMIT = 10;

describe('the places of a node that ends', () => {
  let server: RedisServer;
  let admin: Redis;
  let node: CoreNode;
  beforeEach(async () => {
    server = await startRedis();
    admin = new Redis(server.port, '127.0.0.1');
    node = await CoreNode.start({ port: server.port, lease: LEASE });
  });
  afterEach(async () => {
    await node.stop();
    admin.disconnect();
    await server.stop();
  });

  /** Another process that takes every place of a session. */
  async function takePlaces(session: string): Promise<TypeScriptProcess> {
    const args = [server.port, session, LIMIT, LEASE.beatMs, LEASE.leaseMs].map(String);
    const child = forkTypeScript(new URL('../support/connected-node.ts', import.meta.url), ...args);
    expect(await child.message()).toEqual({ connected: LIMIT });
    return child;
  }

  const outcomeOf = async (session: string): Promise<string> => {
    const userHash = session.slice(0, session.indexOf('.'));
    const { outcome } = await node.admit(
      { mode: 'session', sessionId: session, userHash },
      { maxPerUser: LIMIT, maxPerSession: LIMIT },
    );
    return outcome;
  };

  /** When the lease of the other node ends, by the clock of the server. */
  async function leaseEnd(): Promise<number> {
    const [other] = (await admin.zrange('ws:{0}:n', '0', '-1')).filter((name) => name !== node.node);
    return Number(await admin.zscore('ws:{0}:n', other!));
  }

  const serverTime = async (): Promise<number> => {
    const [seconds, micros] = await admin.time();
    return Number(seconds) * 1_000 + Number(micros) / 1_000;
  };

  it('are free when its lease is over, and not before, if it was killed (SE-07)', async () => {
    const { session } = await node.sessions.create({ userId: 'ada' });
    const child = await takePlaces(session.id);
    const firstEnd = await leaseEnd();
    await eventually(async () => (await serverTime()) > firstEnd, 20_000);
    const whileAlive = await outcomeOf(session.id);
    await child.kill();
    const end = await leaseEnd();
    const right = await outcomeOf(session.id);
    await eventually(async () => (await outcomeOf(session.id)) === 'admitted', 20_000);
    const late = (await serverTime()) - end;
    for (let index = 1; index < LIMIT; index += 1) await outcomeOf(session.id);
    const places = await node.stores.connections.countOf(session.id.slice(0, session.id.indexOf('.')));
    console.log(
      `node killed: ${LIMIT} places ${whileAlive} before, free ${Math.round(late)} ms after the end of its lease`,
    );
    expect(end).toBeGreaterThan(firstEnd);
    expect([whileAlive, right]).toEqual(['limit', 'limit']);
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(2_000);
    expect(places).toBe(LIMIT);
    expect(await outcomeOf(session.id)).toBe('limit');
  });

  it('are free at once if it was stopped (SE-07)', async () => {
    const { session } = await node.sessions.create({ userId: 'bob' });
    const child = await takePlaces(session.id);
    const before = await outcomeOf(session.id);
    child.process.send('stop');
    await child.ended();
    const after = await outcomeOf(session.id);
    console.log(`node stopped: ${LIMIT} places ${before} before, next ${after} at once`);
    expect([before, after]).toEqual(['limit', 'admitted']);
  });
});
