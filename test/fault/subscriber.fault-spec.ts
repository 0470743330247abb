import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreNode, type CoreNodeInit, type FakeConnection } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { TcpRelay } from '../support/tcp-relay.js';

const SESSIONS = 1_000;
const BOUND_MS = 2_000;

describe('a node whose subscription fails', () => {
  let server: RedisServer;
  let admin: Redis;
  const nodes: CoreNode[] = [];
  beforeEach(async () => {
    server = await startRedis();
    admin = new Redis({ port: server.port, host: '127.0.0.1' });
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    admin.disconnect();
    await server.stop();
  });

  async function startNode(init: Partial<CoreNodeInit> = {}): Promise<CoreNode> {
    const node = await CoreNode.start({ port: server.port, ...init });
    nodes.push(node);
    return node;
  }

  /** So many sessions, each with a connection on every node. */
  async function connectAll(count: number): Promise<{ sessions: string[]; connections: FakeConnection[] }> {
    const connections: FakeConnection[] = [];
    const sessions: string[] = [];
    for (let index = 0; index < count; index += 1) {
      const { session } = await nodes[0]!.sessions.create({ userId: `user-${index}` });
      sessions.push(session.id);
      for (const node of nodes) connections.push(await node.connect(session.id));
    }
    return { sessions, connections };
  }

  const alive = (): number => nodes.reduce((sum, node) => sum + node.alive, 0);

  it('ends every revoked connection though its subscriber is killed every 200 ms (SE-04)', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const { sessions, connections } = await connectAll(SESSIONS);
    const bystander = await a.sessions.create({ userId: 'bystander' });
    const kept = await b.connect(bystander.session.id);
    let killed = 0;
    const kill = async (): Promise<void> => {
      killed += Number(await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
    };
    const killer = setInterval(() => void kill(), 200);
    for (let start = 0; start < sessions.length; start += 20) {
      await Promise.all(
        sessions
          .slice(start, start + 20)
          .map((session, index) =>
            nodes[index % 2]!.stores.revocations.append(
              { kind: 'session', sessionId: session, userHash: session.slice(0, session.indexOf('.')) },
              'test',
            ),
          ),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const started = performance.now();
    await eventually(() => alive() === 1, BOUND_MS);
    const took = Math.round(performance.now() - started);
    clearInterval(killer);
    console.log(
      `${SESSIONS} sessions revoked, ${killed} subscribers killed: ${alive() - 1} of ${connections.length} alive after ${took} ms`,
    );
    expect(killed).toBeGreaterThanOrEqual(4);
    expect(connections).toHaveLength(2 * SESSIONS);
    expect(connections.filter(({ connection }) => connection.isOpen)).toHaveLength(0);
    expect(kept.connection.isOpen).toBe(true);
  });

  it('ends every revoked connection though its path swallows what is published, and hears again when it can (SE-04)', async () => {
    const relay = await TcpRelay.start(server.port);
    const a = await startNode();
    const b = await startNode({ subscriberPort: relay.port });
    const { sessions } = await connectAll(100);
    relay.swallow();
    const result = await a.sessions.revoke({ session: sessions[0]! });
    await Promise.all(sessions.slice(1, 99).map((session) => a.sessions.revoke({ session })));
    await eventually(() => alive() === 2, BOUND_MS);
    const openedWhileDead = relay.opened;
    await eventually(() => relay.opened > openedWhileDead, 5_000);
    relay.heal();
    const bySubscription = async (): Promise<boolean> => Number((await subscribers(admin))[1]) === 2;
    await eventually(bySubscription, 5_000);
    const last = await a.sessions.revoke({ session: sessions[99]! });
    console.log(
      `99 sessions revoked on a dead path: ${alive()} alive; acknowledged ${result.nodes} of 2 then, ${last.nodes} of 2 when it had healed`,
    );
    expect(alive()).toBe(0);
    expect(result).toEqual({ sockets: 1, nodes: 1, pending: 1 });
    expect(last).toEqual({ sockets: 2, nodes: 2, pending: 0 });
    expect(b.stores.freshAt).toBeGreaterThan(Date.now() - BOUND_MS);
    await relay.stop();
  });

  it('starts when its first SUBSCRIBE fails and a later one does not (SE-04)', async () => {
    const relay = await TcpRelay.start(server.port);
    const a = await startNode();
    const b = CoreNode.build({ port: server.port, subscriberPort: relay.port });
    nodes.push(b);
    await eventually(() => Object.values(b.clients).every(({ status }) => status === 'ready'));
    relay.swallow();
    const failure: unknown = await b.stores.start().catch((error: unknown) => error);
    relay.heal();
    await eventually(
      () =>
        b.stores.start().then(
          () => true,
          () => false,
        ),
      10_000,
    );
    const { session } = await a.sessions.create({ userId: 'ada' });
    await b.connect(session.id);
    const heard: string[] = [];
    b.stores.revocations.follow((entry) => {
      heard.push(entry.id);
      return 0;
    });
    const result = await a.sessions.revoke({ session: session.id });
    console.log(
      `first start: ${String((failure as Error).name)}; then ${heard.length} message heard, ${result.nodes} answered`,
    );
    expect(failure).toMatchObject({ code: 'store_unavailable' });
    expect(heard).toHaveLength(1);
    expect(result).toEqual({ sockets: 1, nodes: 2, pending: 0 });
    await relay.stop();
  });
});

/** `PUBSUB NUMSUB` of the channel of entries. */
async function subscribers(admin: Redis): Promise<unknown[]> {
  return (await admin.call('PUBSUB', 'NUMSUB', 'ws:entries')) as unknown[];
}
