import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WebSocketServer } from 'ws';
import type { RevocationEntry } from '../../lib/core/revocation/revocation-log.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { holdCalls, interpose } from '../support/interpose.js';
import { messageBytes, RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const ROUNDS = 20;

interface Node {
  readonly app: TestApp;
  readonly gateway: ReturnType<typeof makeChatGateway>;
}

/** What a client saw whose session was revoked while its handshake was under way. */
type Fate = 'refused' | 'closed' | 'alive';

describe('a revocation that races a handshake on another node', () => {
  let server: RedisServer;
  let nodes: [Node, Node];
  beforeAll(async () => {
    server = await startRedis();
    const options = {
      redis: `redis://127.0.0.1:${server.port}`,
      secret: randomBytes(32).toString('hex'),
      handshake: {
        refuseBrowsersWith: 'http-status' as const,
        connectRate: { limit: 1e6, windowMs: 60_000, burst: 1e5 },
      },
    };
    const start = async (): Promise<Node> => {
      const gateway = makeChatGateway();
      return { app: await startApp({ gateways: [gateway], options }), gateway };
    };
    nodes = [await start(), await start()];
  });
  afterAll(async () => {
    await Promise.all(nodes.map(({ app }) => app.discard()));
    await server.stop();
  });

  /** The client speaks at once: whatever a handler is shown after a revocation has come through the fence. */
  async function fateOf(client: RawClient): Promise<Fate> {
    const { status } = await client.response();
    if (status !== 101) return 'refused';
    const end = client.end().then((): Fate => 'closed');
    const patience = new Promise<Fate>((resolve) => setTimeout(() => resolve('alive'), 3_000).unref());
    return Promise.race([
      end,
      client.closed().then(
        () => 'closed' as const,
        () => 'closed' as const,
      ),
      patience,
    ]);
  }

  /** Runs the rounds, every other one with the nodes changed. */
  async function race(
    round: (
      near: Node,
      far: Node,
      open: () => Promise<RawClient>,
      revoke: () => Promise<void>,
    ) => Promise<RawClient>,
  ): Promise<Record<Fate | 'messages', number>> {
    const counts = { refused: 0, closed: 0, alive: 0, messages: 0 };
    for (let index = 0; index < ROUNDS; index += 1) {
      const [near, far] = index % 2 === 0 ? nodes : ([nodes[1], nodes[0]] as const);
      const { session } = await far.app.sessions.create({ userId: `user-${index}` });
      const { ticket } = await far.app.tickets.issue({ session: session.id });
      const target = `/ws?ticket=${ticket}`;
      const open = (): Promise<RawClient> =>
        RawClient.open(near.app.port, { target }, messageBytes('echo', 'after the revocation'));
      const revoke = async (): Promise<void> => {
        await far.app.sessions.revoke({ session: session.id });
      };
      const before = near.gateway.seen.messages.length;
      const client = await round(near, far, open, revoke);
      counts[await fateOf(client)] += 1;
      counts.messages += near.gateway.seen.messages.length - before;
      client.destroy();
    }
    await eventually(() => nodes.every(({ app }) => app.connections.local().length === 0));
    return counts;
  }

  const report = (point: string, counts: Record<Fate | 'messages', number>): void =>
    console.log(
      `${ROUNDS} revocations ${point}: ${counts.refused} refused, ${counts.closed} closed, ${counts.alive} alive, ${counts.messages} messages dispatched`,
    );

  it('wins when it comes after the store has decided and before its answer is heard (SE-03)', async () => {
    const counts = await race(async (near, _, open, revoke) => {
      const admissions = holdCalls(near.app.engine.stores.connections, 'admit', 'after');
      const client = await open();
      await admissions.arrived();
      await revoke();
      admissions.release();
      return client;
    });
    report('between decision and answer', counts);
    expect(counts).toEqual({ refused: ROUNDS, closed: 0, alive: 0, messages: 0 });
  });

  it('wins when it comes after the connection is watched and before the upgrade (SE-03)', async () => {
    const counts = await race(async (near, _, open, revoke) => {
      const decisions = holdCalls(near.app.engine.authenticator, 'authenticate', 'after');
      const client = await open();
      await decisions.arrived();
      await revoke();
      decisions.release();
      return client;
    });
    report('between registration and upgrade', counts);
    expect(counts).toMatchObject({ alive: 0, messages: 0 });
  });

  it.each(['before', 'after'] as const)(
    'wins when it comes during the upgrade, %s the 101 is written (SE-03)',
    async (moment) => {
      const counts = await race(async (near, _, open, revoke) => {
        const held: RevocationEntry[] = [];
        const free = interpose(near.app.engine.connections, 'apply', () => (entry) => {
          held.push(entry);
          return 0;
        });
        const decisions = holdCalls(near.app.engine.authenticator, 'authenticate', 'after');
        const client = await open();
        await decisions.arrived();
        await revoke();
        await eventually(() => held.length > 0);
        free();
        const { server: sockets } = near.app.app.get(near.gateway) as { server: WebSocketServer };
        const restore = interpose(sockets, 'handleUpgrade', (original) => (request, socket, head, use) => {
          const apply = (): void => held.forEach((entry) => near.app.engine.connections.apply(entry));
          if (moment === 'before') apply();
          original(request, socket, head, (...opened) => {
            if (moment === 'after') apply();
            use(...opened);
          });
          restore();
        });
        decisions.release();
        return client;
      });
      report(`during the upgrade, ${moment} the 101`, counts);
      expect(counts).toMatchObject({ alive: 0, messages: 0 });
    },
  );
});
