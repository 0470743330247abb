import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { newNodeId } from '../../lib/core/identifiers.js';
import { startApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { startCluster } from '../support/redis-cluster.js';
import { startSentinel } from '../support/redis-sentinel.js';
import { runCli } from './cli-run.js';

const MODULE = ['--module', 'test/cli/fixtures/store-app.ts'];

describe('the command line by the module of the application', { timeout: 60_000 }, () => {
  afterEach(() => {
    delete process.env.TEST_STORE_OPTIONS;
  });

  it.each<[string, () => Promise<{ option: object; stop(): Promise<void> }>]>([
    [
      'a cluster',
      async () => {
        const cluster = await startCluster();
        return { option: { cluster: cluster.startupNodes }, stop: () => cluster.stop() };
      },
    ],
    [
      'Sentinel',
      async () => {
        const sentinel = await startSentinel();
        return { option: sentinel.option, stop: () => sentinel.stop() };
      },
    ],
  ])('lists and ends sessions in the store of its nodes, which is %s (SE-01)', async (_, start) => {
    const { option, stop } = await start();
    onTestFinished(stop);
    const secret = randomBytes(48).toString('base64url');
    const options = { redis: option, redisPrefix: `test-${newNodeId()}:`, secret };
    const node = await startApp({ gateways: [makeChatGateway()], options });
    onTestFinished(() => node.discard());
    const { session } = await node.sessions.create({ userId: 'ada' });
    const { ticket } = await node.tickets.issue({ session: session.id });
    const client = await RawClient.open(node.port, { target: `/ws?ticket=${ticket}` });
    await client.upgraded();
    await client.messageOf('auth.ok');
    process.env.TEST_STORE_OPTIONS = JSON.stringify(options);

    const listed = await runCli(['sessions', '--user', 'ada', '--json', ...MODULE]);
    expect(listed.code, listed.err).toBe(0);
    const { sessions } = JSON.parse(listed.out) as { sessions: { reference: string; sockets: number }[] };
    expect(sessions).toEqual([expect.objectContaining({ sockets: 1 })]);

    const revoked = await runCli(['revoke', '--session', sessions[0]!.reference, ...MODULE]);
    expect(revoked).toMatchObject({ code: 0, out: 'revoked: 1 socket closed by 1 node\n' });
    expect(await client.closed()).toMatchObject({ code: 4410 });

    const banned = await runCli(['bans', '--add', '2001:db8::1', '--minutes', '5', '--json', ...MODULE]);
    expect(JSON.parse(banned.out)).toMatchObject({ bans: [{ prefix: '2001:db8:0:0:0:0:0:0/64' }] });
    expect(listed.err + revoked.out + revoked.err + banned.err).not.toContain(secret);
  });
});
