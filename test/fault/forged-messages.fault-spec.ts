import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CoreNode, type FakeConnection } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const USERS = 25;
/** Ids that a pattern, a path, a prototype or a protocol could mistake for something else. */
const ODD_IDS = ['*', '', '__proto__', 'constructor', '\r\n', '{t}', '../..', 'x'.repeat(300)];

describe('messages that no node has sent', () => {
  let server: RedisServer;
  let admin: Redis;
  let nodes: [CoreNode, CoreNode];
  const connections: FakeConnection[] = [];
  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.port, '127.0.0.1');
    nodes = [await CoreNode.start({ port: server.port }), await CoreNode.start({ port: server.port })];
    for (let user = 0; user < USERS; user += 1) {
      const { session } = await nodes[0].sessions.create({ userId: `user-${user}`, roles: ['member'] });
      for (const node of nodes) connections.push(await node.connect(session.id));
    }
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    admin.disconnect();
    await server.stop();
  });

  let count = 0;
  /** A message that is right, and later than anything seen, but for what a test changes of it. */
  const message = (change: Record<number, unknown> = {}): string => {
    const id = `${Date.now()}-${(count += 1)}`;
    const parts: unknown[] = ['0', id, '', `nonce-${count}`, '{"kind":"everyone"}', '0', '', 'test', ''];
    for (const [index, value] of Object.entries(change)) parts[Number(index)] = value;
    return JSON.stringify(parts);
  };

  /** Orders that nobody gives. Each stands in a message that is right in everything else. */
  const orders = (userHash: string): unknown[] => [
    null,
    1,
    'everyone',
    [],
    {},
    { kind: null },
    { kind: ['everyone'] },
    ...ODD_IDS.map((kind) => ({ kind })),
    { kind: 'session' },
    { kind: 'session', sessionId: { $ne: 1 }, userHash },
    { kind: 'session', sessionId: ['a'], userHash },
    { kind: 'user' },
    { kind: 'user', userHash: 1 },
    { kind: 'user', userHash: [userHash] },
    { kind: 'user', userHash, exceptSessionId: {} },
    { kind: 'user', userHash, issuedBefore: 'now' },
    { kind: 'rights', userHash, roles: 'admin' },
    { kind: 'rights', userHash, roles: [1] },
    { kind: 'rights', userHash, roles: { 0: 'admin', length: 1 } },
    { kind: 'rights', userHash, scopes: { length: 1e9 } },
    { kind: 'token', userHash, tokenHash: null, rememberMs: 1 },
    { kind: 'rotate', userHash, sessionId: 'a' },
    { kind: 'replace', userHash, node: 'a' },
    ...ODD_IDS.map((id) => ({ kind: 'session', sessionId: id, userHash: id })),
    ...ODD_IDS.map((id) => ({ kind: 'user', userHash: id })),
    ...ODD_IDS.map((id) => ({ kind: 'replace', userHash: id, node: id, connectionId: id })),
  ];

  it('end nobody, change nobody, and stop no node from hearing what is true (SE-05)', async () => {
    const userHash = nodes[0].hashOf('user-0');
    const garbage = [
      '',
      'garbage',
      '\u0000\u0001',
      'null',
      '[]',
      '{}',
      '{"__proto__":{"kind":"everyone","isOpen":false}}',
      '['.repeat(100_000),
      `"${'x'.repeat(1_048_576)}"`,
      message({ 7: 'x'.repeat(1_048_576) }),
      message({ 4: { kind: 'everyone' } }),
      message({ 0: '*' }),
      message({ 0: '__proto__' }),
      message({ 1: '*' }),
      message({ 1: '-' }),
      message({ 1: '99999999999999999999-0' }),
      message({ 5: '-1' }),
      message({ 5: 'Infinity' }),
      message({ 5: '1e308' }),
      message({ 9: 'one too many' }),
      message({ 4: '{"__proto__":{"kind":"everyone"}}' }),
      message({ 4: '{"constructor":{"prototype":{"kind":"everyone"}},"kind":"nothing"}' }),
      ...orders(userHash).map((order) => message({ 4: JSON.stringify(order) })),
    ];
    const answers = [
      'garbage',
      '{}',
      '[1,2,3]',
      '["n","m",-1]',
      '["n","m",1e309]',
      `["${'x'.repeat(1_048_576)}"]`,
    ];
    for (const text of garbage) await admin.publish('ws:entries', text);
    for (const node of nodes) {
      for (const text of [...garbage, ...answers]) await admin.publish(`ws:ack:${node.node}`, text);
    }
    const rows = [...garbage, ...orders(userHash).map((order) => JSON.stringify(order))];
    for (const text of rows) await admin.xadd('ws:{0}:log', '*', 'k', 'forged', 'o', text.slice(0, 70_000));
    const read = Date.now() + 1_100;
    await eventually(() => nodes.every((node) => node.stores.freshAt >= read));
    const open = connections.filter(({ connection }) => connection.isOpen);
    const roles = new Set(connections.flatMap(({ connection }) => connection.principal.roles));
    console.log(
      `${garbage.length} forged messages, ${rows.length} forged rows, ${answers.length} forged answers: ${open.length} of ${connections.length} connections open`,
    );
    expect(open).toHaveLength(2 * USERS);
    expect([...roles]).toEqual(['member']);
    expect(({} as { kind?: unknown }).kind).toBeUndefined();
    expect(nodes.flatMap((node) => node.errors)).toEqual([]);
    expect(await nodes[0].sessions.revoke({ user: 'user-0' })).toEqual({ sockets: 2, nodes: 2, pending: 0 });
    expect(connections.filter(({ connection }) => connection.isOpen)).toHaveLength(2 * USERS - 2);
  });
});
