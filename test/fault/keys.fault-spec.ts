import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../lib/core/identifiers.js';
import type { CoreNode } from '../support/core-node.js';
import { type NodeOnRedis, startNodeOnRedis } from '../support/node-on-redis.js';

/** What may live for ever: leases, which are pruned, the log, which is bounded, and the number of partitions. */
const LASTING = /^ws:(?:\{0\}:(?:n|log)|cfg)$/;
/** Every other name that a key may have: our words, and hashes. */
const NAMED =
  /^ws:\{0\}:(?:(?:s|o|tr):[\w-]{16}(?:\.[\w-]{22})?|(?:u|ue|c|x):[\w-]{16}|(?:j|t|g):[\w-]{22}|ae)$/;
const ODD_IDS = [
  '*',
  'a:b',
  'a',
  'b',
  'a:b:c',
  '{t}',
  '{0}',
  '__proto__',
  'constructor',
  '\r\n',
  'ws:{0}:ae',
  '?',
  '[a-z]',
];

describe('what is left in Redis', () => {
  let admin: Redis;
  let node: CoreNode;
  let stop: NodeOnRedis['stop'];
  beforeAll(async () => {
    ({ admin, node, stop } = await startNodeOnRedis());
  });
  afterAll(() => stop());

  /** Everything that is stored, as text: names, and values of whatever type. */
  async function readEverything(): Promise<string> {
    const texts = (await admin.keys('*')).map(async (key) => {
      const type = await admin.type(key);
      const read: Record<string, () => Promise<unknown>> = {
        string: () => admin.get(key),
        hash: () => admin.hgetall(key),
        zset: () => admin.zrange(key, '0', '-1'),
        stream: () => admin.xrange(key, '-', '+'),
      };
      return `${key} ${JSON.stringify(await read[type]!())}`;
    });
    return (await Promise.all(texts)).join('\n');
  }

  it('has an end but for what is documented, is named by hashes alone, and opens nothing (RD-04, RD-02, TK-01)', async () => {
    const secrets: string[] = [];
    const userIds = [...ODD_IDS, 'x'.repeat(1_048_576)];
    for (const userId of userIds) {
      const { session, token } = await node.sessions.create({ userId, data: 'a device' });
      const { ticket } = await node.tickets.issue({ session: session.id });
      const spent = await node.tickets.issue({ session: session.id });
      const machine = await node.tickets.issue({ principal: { id: 'machine' } });
      const cookie = await node.tickets.issue(
        { session: session.id, use: 'cookie' },
        { sessionToken: token },
      );
      secrets.push(token, ticket, spent.ticket, machine.ticket, cookie.ticket);
      const rate = { key: userId.slice(0, 100), limit: 60, windowMs: 60_000, burst: 100 };
      expect((await node.admitTicket(spent.ticket)).outcome).toBe('admitted');
      await node.connect(session.id, { rate });
      const rotated = await node.sessions.rotate(session.id);
      secrets.push(rotated.token);
      await node.sessions.setRoles({ user: userId }, { roles: ['admin'] });
      await node.connectPrincipal(userId);
    }
    await node.sessions.revoke({ user: userIds[0]! });
    await node.sessions.revoke({ session: (await node.sessions.list(userIds[1]!))[0]!.id });
    const expiresAt = Date.now() + 60_000;
    await node.sessions.revoke({ token: { issuer: 'https://a', jti: '*', subject: '*', expiresAt } });
    await node.sessions.revoke({ everyone: true, issuedBefore: Date.now() - 3_600_000 });
    const keys = await admin.keys('*');
    const ttls = await Promise.all(keys.map((key) => admin.pttl(key)));
    const endless = keys.filter((key, index) => ttls[index]! < 0 && !LASTING.test(key));
    const unnamed = keys.filter((key) => !LASTING.test(key) && !NAMED.test(key));
    const kept = await readEverything();
    const parts = secrets.flatMap((secret) => [secret, secret.slice(secret.indexOf('.') + 1)]);
    const found = parts.filter((secret) => kept.includes(secret));
    console.log(
      `${keys.length} keys after a full run: ${endless.length} without an end, ${unnamed.length} not named by hashes; ` +
        `${found.length} of ${secrets.length} tickets and tokens found`,
    );
    const kinds = new Set(keys.map((key) => key.split(':')[2]));
    expect([...kinds].toSorted()).toEqual(
      ['ae', 'c', 'g', 'j', 'log', 'n', 'o', 's', 't', 'tr', 'u', 'ue', 'x', undefined].toSorted(),
    );
    expect(endless).toEqual([]);
    expect(unnamed).toEqual([]);
    expect(found).toEqual([]);
  });

  it('keeps users apart whatever their ids are (RD-02)', async () => {
    const odd = fc.oneof(
      fc.constantFrom(...ODD_IDS),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
    );
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(odd, { minLength: 2, maxLength: 2 }), async ([one, other]) => {
        runs += 1;
        const run = newId();
        const mine = await node.sessions.create({ userId: `${run}${one}` });
        const theirs = await node.sessions.create({ userId: `${run}${other}` });
        const connection = await node.connect(theirs.session.id);
        expect((await node.sessions.list(`${run}${one}`)).map(({ id }) => id)).toEqual([mine.session.id]);
        await node.sessions.revoke({ user: `${run}${one}` });
        expect(await node.sessions.list(`${run}${one}`)).toEqual([]);
        expect((await node.sessions.list(`${run}${other}`)).map(({ id }) => id)).toEqual([theirs.session.id]);
        expect(connection.connection.isOpen).toBe(true);
      }),
      { numRuns: 200 },
    );
    const names = new Set<string>();
    const long = ['x'.repeat(1_048_576), `${'x'.repeat(1_048_575)}y`];
    const ids = [...ODD_IDS, ...long, ...fc.sample(fc.string({ unit: 'binary' }), 10_000)];
    for (const id of new Set(ids)) names.add(node.hashOf(id));
    console.log(`${runs} pairs of odd ids kept apart; ${names.size} names of ${new Set(ids).size} ids`);
    expect(names.size).toBe(new Set(ids).size);
    for (const name of names) expect(name).toMatch(/^[\w-]{16}$/);
  });
});
