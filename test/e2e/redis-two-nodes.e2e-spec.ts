import { Redis } from 'ioredis';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RawClient } from '../support/raw-client.js';
import { startRedis } from '../support/redis-server.js';
import { startTwoNodes, type TwoNodes } from '../support/redis-two-nodes.js';

/** Logs in at A, and connects to B with a ticket from A. */
async function openAtB(sample: TwoNodes): Promise<{ cookie: string; socket: RawClient }> {
  const origin = sample.originOf('A');
  const post = (path: string, cookie: string, body: object): Promise<Response> =>
    fetch(`${origin}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin, cookie },
      body: JSON.stringify(body),
    });
  const login = await post('/login', '', { username: 'ada' });
  const cookie = login.headers.getSetCookie()[0]!.split(';', 1)[0]!;
  const issued = await post('/ws-auth/ticket', cookie, { path: '/ws' });
  const { ticket } = (await issued.json()) as { ticket: string };
  const headers = { Host: `localhost:${sample.ports.B}`, Origin: origin };
  const socket = await RawClient.open(sample.ports.B, { target: `/ws?ticket=${ticket}`, headers });
  await socket.upgraded();
  return { cookie, socket };
}

describe('the sample with two nodes', () => {
  it('uses the Redis of REDIS_URL, and leaves it alone when it ends', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const sample = await startTwoNodes({ REDIS_URL: `redis://127.0.0.1:${server.port}` });
    onTestFinished(() => void sample.stop());
    const { cookie, socket } = await openAtB(sample);
    const looker = new Redis(server.port, '127.0.0.1');
    expect(await looker.zcard('two-nodes:{0}:n')).toBe(2);
    const response = await fetch(`${sample.originOf('A')}/logout`, { method: 'POST', headers: { cookie } });
    expect(await response.json()).toEqual({ sockets: 1, nodes: 2, pending: 0 });
    expect(await socket.closed()).toMatchObject({ code: 4410 });
    expect(await sample.stop()).toBe(0);
    expect(await looker.ping()).toBe('PONG');
    looker.disconnect();
  });

  it('starts a Redis of its own without it, which ends with the sample, sockets open or not', async () => {
    const sample = await startTwoNodes();
    onTestFinished(() => void sample.stop());
    const { socket } = await openAtB(sample);
    const port = Number(/a Redis of their own on redis:\/\/127\.0\.0\.1:(\d+)/.exec(sample.output())![1]);
    const looker = new Redis(port, '127.0.0.1', { retryStrategy: () => null });
    expect(await looker.ping()).toBe('PONG');
    const gone = once(looker, 'end');
    expect(await sample.stop()).toBe(0);
    await gone;
    expect((await socket.closed()).code).toBe(1012);
    const free = createServer().listen(port, '127.0.0.1');
    await once(free, 'listening');
    free.close();
  });

  it('says what to install where there is no redis-server', async () => {
    await expect(startTwoNodes({ PATH: '' })).rejects.toThrow(
      /ended with 1:\nno redis-server found; install it: sudo apt-get install -y redis-server/,
    );
  });

  it('ends with a node that cannot listen, and says which', async () => {
    const taken = createServer().listen(0);
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expect(startTwoNodes({ PORT_B: String(port) })).rejects.toThrow(
      /EADDRINUSE[^]*node B ended with 1/,
    );
    taken.close();
  });
});
