import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CoreNode } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { forkTypeScript, type TypeScriptProcess } from '../support/typescript-process.js';

const LEASE = { beatMs: 300, leaseMs: 1_500 };
const LIMIT = 10;

describe('the places of a node that ends', () => {
  let server: RedisServer;
  let node: CoreNode;
  beforeAll(async () => {
    server = await startRedis();
    node = await CoreNode.start({ port: server.port, lease: LEASE });
  });
  afterAll(async () => {
    await node.stop();
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

  it('are free when its lease is over, and not before, if it was killed (SE-07)', async () => {
    const { session } = await node.sessions.create({ userId: 'ada' });
    const child = await takePlaces(session.id);
    await new Promise((resolve) => setTimeout(resolve, LEASE.leaseMs * 1.5));
    const whileAlive = await outcomeOf(session.id);
    await child.kill();
    const killedAt = performance.now();
    const right = await outcomeOf(session.id);
    await eventually(async () => (await outcomeOf(session.id)) === 'admitted', 2 * LEASE.leaseMs);
    const took = Math.round(performance.now() - killedAt);
    for (let index = 1; index < LIMIT; index += 1) await outcomeOf(session.id);
    const places = await node.stores.connections.countOf(session.id.slice(0, session.id.indexOf('.')));
    console.log(
      `node killed: ${LIMIT} places ${whileAlive} before, free after ${took} ms (lease ${LEASE.leaseMs} ms)`,
    );
    expect([whileAlive, right]).toEqual(['limit', 'limit']);
    expect(took).toBeLessThanOrEqual(LEASE.leaseMs + 200);
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
