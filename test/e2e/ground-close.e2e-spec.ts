import type { Type } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WsAuth } from '../../lib/index.js';
import { startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { freePort } from '../support/free-port.js';
import { HeldVerifier } from '../support/held-verifier.js';
import { closeBytes, handshakeBytes, RawClient } from '../support/raw-client.js';
import { awakeMs } from '../support/stopwatch.js';
import { selfSigned } from '../support/tls.js';

/** What app.close() may take, with the options as they are by default. */
const ONE_SECOND = 1_000;

interface Kind {
  readonly parts: () => Partial<TestAppParts>;
  /** Where the gateway is; port 0 is the application's. */
  readonly place: () => Promise<{ port: number; path?: string }>;
  readonly isTls: boolean;
}

let certificate: { key: Buffer; cert: Buffer };
const onApplication = async () => ({ port: 0, path: '/ws' });
const KINDS: Readonly<Record<string, Kind>> = {
  Express: { parts: () => ({}), place: onApplication, isTls: false },
  Fastify: { parts: () => ({ http: new FastifyAdapter() }), place: onApplication, isTls: false },
  'Express with TLS': { parts: () => ({ https: certificate }), place: onApplication, isTls: true },
  'Fastify with TLS': {
    parts: () => ({ http: new FastifyAdapter({ https: certificate } as object), https: certificate }),
    place: onApplication,
    isTls: true,
  },
  'a port of its own with a path': {
    parts: () => ({}),
    place: async () => ({ port: await freePort(), path: '/ws' }),
    isTls: false,
  },
  'a port of its own without a path': {
    parts: () => ({}),
    place: async () => ({ port: await freePort() }),
    isTls: false,
  },
};

function makeGateway(port: number, path: string | undefined): Type {
  @WsAuth()
  @WebSocketGateway(port, path === undefined ? {} : { path })
  class ClosingGateway {
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      return { event: 'echo', data };
    }
  }
  return ClosingGateway;
}

describe('LT-06: app.close() within a second', () => {
  let test: TestApp | undefined;
  const clients: RawClient[] = [];
  beforeAll(() => {
    certificate = selfSigned();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await test?.discard();
    test = undefined;
  });

  async function start(kind: Kind) {
    const { port, path } = await kind.place();
    const verifier = new HeldVerifier();
    const running = await startApp({
      gateways: [makeGateway(port, path)],
      engine: { verifier },
      ...kind.parts(),
    });
    test = running;
    const at = port || running.port;
    const connect = async (): Promise<RawClient> => {
      const client = await (kind.isTls ? RawClient.connectTls(at) : RawClient.connect(at));
      clients.push(client);
      return client;
    };
    const target = path ?? '/';
    const knock = async (token?: string): Promise<RawClient> => {
      const client = await connect();
      const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
      client.write(handshakeBytes({ target, headers }));
      return client;
    };
    return { running, verifier, at, connect, knock };
  }

  describe.each(Object.keys(KINDS))('on %s', (name) => {
    it('refuses pending upgrades, whose verifier never settles', async () => {
      const { running, verifier, knock } = await start(KINDS[name]!);
      const pending = [await knock('1'), await knock('2'), await knock('3')];
      await verifier.call(2);
      expect(await awakeMs(() => running.close())).toBeLessThan(ONE_SECOND);
      for (const client of pending) expect((await client.response()).status).toBe(503);
      for (const { signal } of verifier.calls) expect(signal.aborted).toBe(true);
    });

    it('closes sockets that wait for their first message, though none of them answers', async () => {
      const { running, knock } = await start(KINDS[name]!);
      const waiting = [await knock(), await knock(), await knock()];
      for (const client of waiting) {
        await client.upgraded();
        expect((await client.message()).event).toBe('auth.required');
      }
      expect(await awakeMs(() => running.close())).toBeLessThan(ONE_SECOND);
      for (const client of waiting) expect((await client.closed()).code).toBe(1012);
    });

    it('closes live sockets, as soon as they answer', async () => {
      const { running, verifier, knock } = await start(KINDS[name]!);
      const live: RawClient[] = [];
      for (let index = 0; index < 5; index += 1) {
        const client = await knock(`live${index}`);
        (await verifier.call(index)).accept();
        await client.upgraded();
        await client.messageOf('auth.ok');
        live.push(client);
      }
      const left = Promise.all(
        live.map(async (client) => {
          const { code } = await client.closed();
          client.write(closeBytes(code));
          client.finish();
          return code;
        }),
      );
      expect(await awakeMs(() => running.close())).toBeLessThan(ONE_SECOND);
      expect(await left).toEqual([1012, 1012, 1012, 1012, 1012]);
    });

    it('cuts connections that have said nothing, or half a sentence', async () => {
      const { running, at, connect, knock } = await start(KINDS[name]!);
      const silent = await connect();
      const halfway = await connect();
      halfway.write('GET /ws HTTP/1.1\r\nHost: ');
      // On a server with TLS, not even that was begun.
      const tcp = await RawClient.connect(at);
      const refused = await connect();
      refused.write(handshakeBytes({ target: '/nowhere' }));
      expect((await refused.response()).status).toBe(404);
      const later = await knock();
      await later.upgraded();
      expect(await awakeMs(() => running.close())).toBeLessThan(ONE_SECOND);
      for (const client of [silent, halfway, tcp]) await client.end();
      tcp.destroy();
    });

    it('does all of it at once, and twice', async () => {
      const { running, verifier, connect, knock } = await start(KINDS[name]!);
      const live = await knock('live');
      (await verifier.call(0)).accept();
      await live.upgraded();
      const pending = await knock('pending');
      await verifier.call(1);
      const waiting = await knock();
      await waiting.upgraded();
      await connect();
      const left = live.closed().then(({ code }) => {
        live.write(closeBytes(code));
        live.finish();
      });
      expect(await awakeMs(() => Promise.all([running.close(), running.close()]))).toBeLessThan(ONE_SECOND);
      await left;
      expect((await pending.response()).status).toBe(503);
      expect((await waiting.closed()).code).toBe(1012);
    });
  });
});
