import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { answered } from '../support/redis-server.js';

/** Users who are revoked while there is no master, by turns on one node and the other. */
const REVOKED = 20;

/** Servers of which others take the place when one dies. */
export interface ReplicatedStore {
  /** The `redis` option. */
  readonly option: object;
  /** True when this and other keys die with one master. */
  sharesMaster(key: string, other: string): Promise<boolean>;
  /** Kills the master of a key when its replicas have all that it was told. @returns what waits for another one */
  killMasterOf(key: string): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

interface User {
  readonly id: string;
  readonly session: string;
  readonly token: string;
}

/** Whole applications with real sockets, on servers of which one dies. */
export function describeFailoverOfApps(name: string, start: () => Promise<ReplicatedStore>): void {
  describe(`two applications on ${name}`, () => {
    let store: ReplicatedStore;
    let a: TestApp;
    let b: TestApp;
    const started: { discard(): Promise<void> }[] = [];
    beforeEach(async () => {
      store = await start();
      started.push({ discard: () => store.stop() });
      const options = {
        redis: store.option,
        secret: randomBytes(48).toString('base64url'),
        // Nobody is held back for asking again and again whether the failover is over.
        handshake: {
          connectRate: { limit: 1e6, windowMs: 60_000, burst: 1e5 },
          maxPending: 1e6,
          maxPendingPerAddress: 1e6,
        },
      };
      const startNode = async (): Promise<TestApp> => {
        const gateways = [makeChatGateway('/ws', { credentials: ['ticket', 'cookie'] })];
        const app = await startApp({ gateways, options });
        started.unshift(app);
        return app;
      };
      [a, b] = [await startNode(), await startNode()];
    });
    afterEach(async () => {
      for (const each of started.splice(0)) await each.discard();
    });

    let count = 0;
    async function logIn(): Promise<User> {
      const id = `user-${(count += 1)}`;
      const { session, token } = await a.sessions.create({ userId: id });
      return { id, session: session.id, token };
    }

    const logOf = ({ session }: User): string => {
      const { revocations } = a.engine.stores;
      return `ws:{${revocations.partitionOf(session.slice(0, session.indexOf('.')))}}:log`;
    };

    async function byTicket(node: TestApp, from: TestApp, { session }: User): Promise<RawClient> {
      const { ticket } = await from.tickets.issue({ session });
      return RawClient.open(node.port, { target: `/ws?ticket=${ticket}` });
    }

    const byCookie = (node: TestApp, { token }: User): Promise<RawClient> =>
      RawClient.open(node.port, { headers: { Cookie: `__Host-sid=${token}` } });

    async function opened(client: Promise<RawClient>): Promise<RawClient> {
      const socket = await client;
      await socket.upgraded();
      return socket;
    }

    /** By ticket and by cookie, on both: those of A first. */
    const openAll = (user: User): Promise<RawClient[]> =>
      Promise.all(
        [
          () => byTicket(a, b, user),
          () => byCookie(a, user),
          () => byTicket(b, a, user),
          () => byCookie(b, user),
        ].map((open) => answered(() => opened(open()))),
      );

    const codesOf = (sockets: readonly RawClient[]): Promise<number[]> =>
      Promise.all(sockets.map(async (socket) => (await socket.closed()).code));

    /** What a handshake with a cookie is answered by a node that can decide. */
    async function statusOf(node: TestApp, user: User): Promise<number> {
      const { status } = await (await byCookie(node, user)).response();
      if (status === 503) throw new Error('the store is away');
      return status;
    }

    async function echoes(socket: RawClient): Promise<boolean> {
      socket.send('echo', 'still there');
      return (await socket.messageOf('echo')).data === 'still there';
    }

    it('close what came in by ticket and by cookie, wherever it is, when one revokes (SE-01, TK-02)', async () => {
      const [ada, bob] = [await logIn(), await logIn()];
      const sockets = await openAll(ada);
      const [bystander] = await openAll(bob);
      expect(await a.sessions.revoke({ user: ada.id })).toEqual({ sockets: 4, nodes: 2, pending: 0 });
      expect(await codesOf(sockets)).toEqual([4410, 4410, 4410, 4410]);
      expect(await echoes(bystander!)).toBe(true);
      const response = await (await byCookie(b, ada)).response();
      expect(response.status).toBe(401);
    });

    it('lose no revocation while a master is dead, and take handshakes again (SE-01, SE-04, RD-01, RD-04)', async () => {
      const bystander = await logIn();
      const revoked: User[] = [];
      while (revoked.length < REVOKED) {
        const user = await logIn();
        if (await store.sharesMaster(logOf(bystander), logOf(user))) revoked.push(user);
      }
      const sockets = await Promise.all(revoked.map(openAll));
      const spared = await openAll(bystander);

      const failedOver = await store.killMasterOf(logOf(bystander));
      const outcomes = await Promise.allSettled(
        revoked.map(({ id, session }, index) =>
          [a, b][index % 2]!.sessions.revoke(index % 4 < 2 ? { session } : { user: id }),
        ),
      );
      const early = await (await byCookie(a, bystander)).response();
      await failedOver();
      const again = await openAll(bystander);
      const codes = await Promise.all(sockets.map(codesOf));
      const left = await Promise.all(revoked.map(({ id }) => answered(() => b.sessions.list(id))));
      const returned = await Promise.all(revoked.map((user) => answered(() => statusOf(b, user))));
      const lives = await Promise.all([...spared, ...again].map(echoes));
      const kept = outcomes.filter(({ status }) => status === 'rejected').length;
      console.log(
        `${name}, master SIGKILL: ${REVOKED} revocations meanwhile, ${kept} of them kept for later; ` +
          `${codes.flat().length} sockets closed, ${codes.flat().filter((code) => code === 4419).length} of them as expired, ` +
          `${left.flat().length} sessions left`,
      );
      expect(kept).toBe(REVOKED);
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ reason: { code: 'store_unavailable' } });
      expect(early.status).toBe(503);
      // A node that was not asked may find the session gone before it has read why.
      const elsewhere = expect.toBeOneOf([4410, 4419]);
      codes.forEach((four, index) => {
        const [near, far] =
          index % 2 === 0 ? [four.slice(0, 2), four.slice(2)] : [four.slice(2), four.slice(0, 2)];
        expect(near).toEqual([4410, 4410]);
        expect(far).toEqual([elsewhere, elsewhere]);
      });
      expect(left.flat()).toEqual([]);
      expect(returned).toEqual(Array(REVOKED).fill(401));
      expect(lives).toEqual(Array(8).fill(true));
      // A client that has followed the failover may have to connect once more before it stays.
      await eventually(
        async () => (await answered(() => a.sessions.revoke({ user: 'nobody' }))).nodes === 2,
        30_000,
      );
      await answered(() => a.sessions.revoke({ user: bystander.id }));
      expect((await codesOf([...spared, ...again])).every((code) => code === 4410 || code === 4419)).toBe(
        true,
      );
    });
  });
}
