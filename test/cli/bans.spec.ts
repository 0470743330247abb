import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newNodeId } from '../../lib/core/identifiers.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { runCli } from './cli-run.js';

const SECRET = randomBytes(48).toString('base64url');

describe('nestjs-ws-auth bans', () => {
  let server: RedisServer;
  let node: TestApp | undefined;
  const prefix = `test-${newNodeId()}:`;

  beforeAll(async () => {
    server = await startRedis();
    const redis = `redis://127.0.0.1:${server.port}`;
    const options = { redis, redisPrefix: prefix, secret: SECRET, proxy: { trusted: ['127.0.0.1'] } };
    node = await startApp({ gateways: [makeChatGateway()], options });
  });
  afterAll(async () => {
    await node?.discard();
    await server.stop();
  });

  const bans = (...args: string[]) =>
    runCli(['bans', ...args, '--prefix', prefix], {
      env: { WS_AUTH_REDIS_URL: `redis://127.0.0.1:${server.port}`, WS_AUTH_SECRET: SECRET },
    });

  /** What a client at this address gets. */
  async function statusFor(address: string): Promise<number> {
    const headers = { Authorization: `Bearer ${node!.token()}`, 'X-Forwarded-For': address };
    const client = await RawClient.open(node!.port, { headers });
    const { status } = await client.response();
    client.destroy();
    return status;
  }

  afterEach(async () => {
    const { out } = await bans('--json');
    for (const { prefix: banned } of (JSON.parse(out) as { bans: { prefix: string }[] }).bans)
      await bans('--lift', banned);
  });

  it('bans an address on a live node, lists it, and lets it in again (CR-05)', async () => {
    expect(await statusFor('192.0.2.1')).toBe(101);
    const added = await bans('--add', '192.0.2.1', '--minutes', '5', '--reason', 'scanner');
    expect(added).toMatchObject({ code: 0, out: '192.0.2.1  5 min  by operator  {"reason":"scanner"}\n' });
    expect(JSON.parse(added.err)).toMatchObject({ event: 'address_banned', reasonCode: 'scanner' });
    await eventually(async () => (await statusFor('192.0.2.1')) === 429);
    expect(await statusFor('192.0.2.2')).toBe(101);
    expect(await bans('--lift', '192.0.2.1')).toMatchObject({ code: 0, out: 'nobody is banned\n' });
    await eventually(async () => (await statusFor('192.0.2.1')) === 101);
  });

  it('lists what a rule or another node has banned, for programs', async () => {
    await node!.engine.bans.ban('198.51.100.7', 600_000, 'by hand');
    const { code, out } = await bans('--json');
    expect({ code, ...JSON.parse(out) }).toEqual({
      code: 0,
      bans: [
        { prefix: '198.51.100.7', remainingMs: expect.any(Number), reason: 'by hand', isAutomatic: false },
      ],
    });
  });

  it('takes an IPv6 prefix as it was listed, whatever its length', async () => {
    for (const [given, listed] of [
      ['2001:db8::1', '2001:db8:0:0:0:0:0:0/64'],
      ['2001:db8::1/56', '2001:db8:0:0:0:0:0:0/56'],
    ] as const) {
      const { out } = await bans('--add', given, '--minutes', '1');
      expect(out).toContain(listed);
      expect(await bans('--lift', listed)).toMatchObject({ code: 0, out: 'nobody is banned\n' });
    }
  });

  it.each<[string, readonly string[], RegExp]>([
    ['an address that is not banned', ['--lift', '192.0.2.9'], /is not banned/],
    ['no address', ['--add', 'example.com', '--minutes', '5'], /an address is IPv4 or IPv6/],
    ['no time', ['--add', '192.0.2.9'], /--minutes says for how long/],
    ['a time without end', ['--add', '192.0.2.9', '--minutes', '99999'], /up to 30 days/],
    ['two things', ['--add', '192.0.2.9', '--lift', '192.0.2.9'], /choose one/],
    ['a time for nothing', ['--minutes', '5'], /go with --add/],
    [
      'a reason that is none',
      ['--add', '192.0.2.9', '--minutes', '5', '--reason', 'a\nb'],
      /the reason is a word/,
    ],
  ])('refuses %s with 2', async (_, args, text) => {
    const { code, out, err } = await bans(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(text);
  });
});
