import { once } from 'node:events';
import { connect } from 'node:net';
import type { Type } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import { WsAuth, WsPublic } from '../../lib/index.js';
import { startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { makeChatGateway, makePublicGateway } from '../support/gateways.js';
import { HeldVerifier } from '../support/held-verifier.js';
import { NestProcess } from '../support/nest-process.js';
import { closeBytes, RawClient, type RawClose, type RawResponse } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
const processes: NestProcess[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
  for (const child of processes.splice(0)) await child.kill();
});

async function start(parts: Partial<TestAppParts> = {}): Promise<TestApp> {
  const test = await startApp({ gateways: [makeChatGateway()], ...parts });
  open.push(test);
  return test;
}

async function openClient(port: number, token: string, target = '/ws'): Promise<RawClient> {
  const client = await RawClient.open(port, { target, headers: { Authorization: `Bearer ${token}` } });
  clients.push(client);
  return client;
}

async function admitted(port: number, token: string, target = '/ws'): Promise<RawClient> {
  const client = await openClient(port, token, target);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

/** Reads the Close, and answers it as RFC 6455 §5.5.1 asks. */
async function leave(client: RawClient): Promise<RawClose & { before: string[]; at: number }> {
  const close = await client.closed();
  client.write(closeBytes(close.code));
  client.finish();
  return { ...close, at: performance.now() };
}

function expectDraining(response: RawResponse): void {
  expect(response.status).toBe(503);
  expect(JSON.parse(response.body)).toMatchObject({ code: 'draining' });
  expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
}

const retryOf = ({ reason }: RawClose): number =>
  Number(/^restart;retry=(\d+)(;id=[\w-]{12})?$/.exec(reason)?.[1]);

describe('LT-06, LT-07: a process that is told to end', () => {
  it(
    'answers the pending, closes the live one after the other, cuts who does not answer, and is gone in time',
    { timeout: 120_000 },
    async () => {
      const lifetime = { drainMs: 3_000, closeGraceMs: 1_000 };
      const connectRate = { limit: 100_000, windowMs: 60_000, burst: 100_000 };
      const child = await NestProcess.start({ lifetime, handshake: { connectRate } });
      processes.push(child);
      const live: RawClient[] = [];
      for (let index = 0; index < 500; index += 1) live.push(await admitted(child.port, `user-${index}`));
      const mute: RawClient[] = [];
      for (let index = 0; index < 10; index += 1) {
        mute.push(await admitted(child.port, `mute-${index}`));
        mute.at(-1)!.socket.pause();
      }
      const publicClient = await RawClient.open(child.port, { target: '/public' });
      clients.push(publicClient);
      await publicClient.upgraded();
      const pending: RawClient[] = [];
      for (let index = 0; index < 50; index += 1)
        pending.push(
          await openClient(
            index % 5 === 0 ? child.ownPort : child.port,
            'held',
            index % 5 === 0 ? '/own' : '/ws',
          ),
        );
      // One more is over the limit: then the fifty are all there.
      await eventually(async () => {
        const extra = await openClient(child.port, 'held');
        const { status } = await extra.response();
        return status === 429;
      });
      const began = performance.now();
      child.process.kill('SIGTERM');
      const ended = child.ended().then((end) => ({ ...end, tookMs: performance.now() - began }));
      for (const response of await Promise.all(pending.map((client) => client.response())))
        expectDraining(response);
      const closes = Promise.all(live.map(leave));
      expectDraining(await (await openClient(child.port, 'late')).response());
      expectDraining(await (await openClient(child.ownPort, 'late', '/own')).response());
      const told = await closes;
      const { signal, tookMs } = await ended;

      expect(signal).toBe('SIGTERM');
      expect(tookMs).toBeLessThan(lifetime.drainMs + lifetime.closeGraceMs + 1_500);
      expect(new Set(told.map(({ code }) => code))).toEqual(new Set([1012]));
      const fifths = [0, 0, 0, 0, 0];
      const first = Math.min(...told.map(({ at }) => at));
      const last = Math.max(...told.map(({ at }) => at));
      expect(last - first).toBeGreaterThan(lifetime.drainMs * 0.8);
      for (const { at } of told) fifths[Math.min(4, Math.floor(((at - first) / (last - first)) * 5))]! += 1;
      for (const count of fifths) {
        expect(count).toBeGreaterThan(50);
        expect(count).toBeLessThan(200);
      }
      const retries = told.map(retryOf);
      for (const retry of retries) expect(retry).toBeLessThanOrEqual(1_000);
      expect(retries.filter((retry) => retry < 500).length).toBeGreaterThan(150);
      expect(retries.filter((retry) => retry >= 500).length).toBeGreaterThan(150);
      const publicClose = await publicClient.closed();
      expect(publicClose.code).toBe(1012);
      expect(retryOf(publicClose)).toBeLessThanOrEqual(1_000);
    },
  );
});

describe('LT-06: app.close()', () => {
  it('is soon over when the clients answer', async () => {
    const test = await start();
    const live = [await admitted(test.port, test.token()), await admitted(test.port, test.token())];
    const left = Promise.all(live.map(leave));
    const began = performance.now();
    await test.close();
    expect(performance.now() - began).toBeLessThan(1_000);
    for (const close of await left) {
      expect(close.code).toBe(1012);
      expect(retryOf(close)).toBeLessThanOrEqual(1_000);
    }
    expect(test.events.filter(({ reasonCode }) => reasonCode === 'restart')).toHaveLength(2);
  });

  it('serves each connection until its turn', async () => {
    const test = await start();
    const live: RawClient[] = [];
    for (let index = 0; index < 20; index += 1) live.push(await admitted(test.port, test.token()));
    const last = live.at(-1)!;
    const closing = test.close();
    await live[0]!.closed();
    last.send('echo', 'in time');
    const close = await leave(last);
    expect(close.code).toBe(1012);
    expect(close.before).toEqual([JSON.stringify({ event: 'echo', data: 'in time' })]);
    for (const client of live) client.destroy();
    await closing;
  });

  it('does not wait for the turn of those that have left by themselves', async () => {
    const test = await start();
    const live: RawClient[] = [];
    for (let index = 0; index < 40; index += 1) live.push(await admitted(test.port, test.token()));
    const began = performance.now();
    const closing = test.close();
    for (const client of live) client.destroy();
    await closing;
    expect(performance.now() - began).toBeLessThan(600);
  });

  it('cuts who does not answer after the grace', async () => {
    const test = await start({ options: { lifetime: { closeGraceMs: 300 } } });
    const client = await admitted(test.port, test.token());
    const began = performance.now();
    await test.close();
    const tookMs = performance.now() - began;
    expect(tookMs).toBeGreaterThan(280);
    expect(tookMs).toBeLessThan(1_000);
    await client.end();
  });

  it('tells those that wait for their first message, and waits for none of them', async () => {
    const test = await start();
    const client = await RawClient.open(test.port);
    clients.push(client);
    await client.upgraded();
    expect((await client.message()).event).toBe('auth.required');
    const began = performance.now();
    await test.close();
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(await client.closed()).toMatchObject({ code: 1012 });
  });

  it('called twice ends once', async () => {
    const test = await start();
    const left = leave(await admitted(test.port, test.token()));
    await Promise.all([test.close(), test.close()]);
    expect((await left).code).toBe(1012);
    expect(test.events.filter(({ outcome }) => outcome === 'closed')).toHaveLength(1);
  });

  describe.each([
    ['on the port of the application', async () => ({ port: 0, path: '/ws' as string | undefined })],
    ['on a port of its own', async () => ({ port: await freePort(), path: undefined })],
    [
      'on a port of its own with a path',
      async () => ({ port: await freePort(), path: '/ws' as string | undefined }),
    ],
  ])('%s', (_, place) => {
    it('does not hang, whatever is connected', async () => {
      const { port, path } = await place();
      @WsAuth()
      @WebSocketGateway(port, path === undefined ? {} : { path })
      class Gateway {}
      const verifier = new HeldVerifier();
      const test = await start({
        gateways: [Gateway],
        engine: { verifier },
        options: { lifetime: { closeGraceMs: 300 } },
      });
      const target = path ?? '/';
      const at = port === 0 ? test.port : port;
      const live = await openClient(at, 'live', target);
      (await verifier.call(0)).accept();
      await live.upgraded();
      const pending = await openClient(at, 'pending', target);
      await verifier.call(1);
      const waiting = await RawClient.open(at, { target });
      clients.push(waiting);
      await waiting.upgraded();
      const refused = await openClient(at, 'refused', '/nowhere');
      expect((await refused.response()).status).toBe(404);
      const silent = await RawClient.connect(at);
      const halfway = await RawClient.connect(at);
      halfway.write('GET /ws HTTP/1.1\r\nHost: ');
      clients.push(silent, halfway);
      const began = performance.now();
      await test.close();
      expect(performance.now() - began).toBeLessThan(2_000);
      expectDraining(await pending.response());
      for (const client of [live, pending, waiting, silent, halfway]) await client.end();
      const [error] = (await once(connect(at, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
      expect(error.code).toBe('ECONNREFUSED');
    });
  });

  it('closes public connections like the others', async () => {
    const test = await start({ gateways: [makePublicGateway('/public')] });
    const client = await RawClient.open(test.port, { target: '/public' });
    clients.push(client);
    await client.upgraded();
    const left = leave(client);
    await test.close();
    expect(await left).toMatchObject({ code: 1012, reason: expect.stringMatching(/^restart;retry=\d+;id=/) });
  });

  it('is not kept by an application whose gateways nobody ever connected to', async () => {
    @WsPublic()
    @WebSocketGateway({ path: '/quiet' })
    class QuietGateway {}
    const test = await start({ gateways: [QuietGateway as Type] });
    const began = performance.now();
    await test.close();
    expect(performance.now() - began).toBeLessThan(500);
  });
});
