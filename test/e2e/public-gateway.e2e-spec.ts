import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WsAuth, wsConnection, WsPublic, type WsAuthOptions } from '../../lib/index.js';
import type { RefusalCode } from '../../lib/core/handshake/refusal.js';
import { ORIGIN, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { makeChatGateway, makePublicGateway } from '../support/gateways.js';
import { closeBytes, type HandshakeParts, messageBytes, RawClient } from '../support/raw-client.js';
import { CHALLENGE, expectNothingLeft, expectRefusal } from '../support/refusal.js';

const EVIL = 'https://evil.example';
const NO_RATE = { connectRate: { limit: 1_000_000, windowMs: 60_000, burst: 1_000_000 } };

const running: TestApp[] = [];
/** An application of one test. */
async function boot(parts: TestAppParts): Promise<TestApp> {
  const options: Partial<WsAuthOptions> = parts.options ?? {};
  const test = await startApp({
    ...parts,
    options: { ...options, handshake: { ...NO_RATE, ...options.handshake } },
  });
  running.push(test);
  return test;
}
afterEach(async () => {
  for (const test of running.splice(0)) await test.discard();
});

/** Sends a message, and expects it back. */
async function expectEcho(client: RawClient, data: unknown): Promise<void> {
  client.send('echo', data);
  expect(await client.message()).toEqual({ event: 'echo', data });
}

describe('a public gateway', () => {
  const Public = makePublicGateway('/public');
  const Guarded = makeChatGateway('/ws', { credentials: ['ticket', 'bearer', 'cookie'] });
  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({ gateways: [Public, Guarded], options: { handshake: NO_RATE } });
  });
  afterAll(() => test.discard());
  afterEach(async () => {
    await eventually(() => Public.seen.connected.length === Public.seen.disconnected.length);
    await expectNothingLeft(test);
  });

  it('takes who proves nothing, and makes no connection of it', async () => {
    const client = await RawClient.open(test.port, { target: '/public' });
    await client.upgraded();
    await expectEcho(client, 'hello');
    expect(test.connections.local()).toEqual([]);
    expect(() => wsConnection(Public.seen.connected.at(-1)!)).toThrow('@WsPublic()');
    client.write(closeBytes());
    expect(await client.closed()).toMatchObject({ code: 1000, before: [] });
    client.destroy();
  });

  it('sends no auth.ok, though ws-auth.v1 was offered', async () => {
    const headers = { 'Sec-WebSocket-Protocol': 'ws-auth.v1' };
    const client = await RawClient.open(test.port, { target: '/public', headers });
    expect((await client.upgraded()).headers['sec-websocket-protocol']).toBe('ws-auth.v1');
    await expectEcho(client, 1);
    client.destroy();
  });

  it.each<[number, string, HandshakeParts, RefusalCode, Record<string, string>?]>([
    [4, 'the method', { method: 'PUT' }, 'method_not_allowed', { allow: 'GET' }],
    [4, 'the HTTP version', { version: '1.0' }, 'malformed_handshake'],
    [4, 'the key', { headers: { 'Sec-WebSocket-Key': undefined } }, 'malformed_handshake'],
    [4, 'a body', { headers: { 'Content-Length': '7' } }, 'malformed_handshake'],
    [4, 'two keys', { headers: { 'Sec-WebSocket-Key': ['x', 'x'] } }, 'malformed_handshake'],
    [4, 'the target', { target: '//public' }, 'malformed_handshake'],
    [4, 'many headers', { headers: { x: Array.from({ length: 100 }, () => '1') } }, 'header_too_large'],
    [
      4,
      'the version',
      { headers: { 'Sec-WebSocket-Version': '8' } },
      'upgrade_required',
      { upgrade: 'websocket', 'sec-websocket-version': '13' },
    ],
    [5, 'the Host', { headers: { Host: 'evil.example' } }, 'host_not_allowed'],
    [6, 'the path', { target: '/public/x' }, 'not_found'],
    [6, 'the path in capitals', { target: '/Public' }, 'not_found'],
    [8, 'the Origin', { headers: { Origin: EVIL } }, 'origin_not_allowed'],
    [8, 'the Origin null', { headers: { Origin: 'null' } }, 'origin_not_allowed'],
    [8, 'no Origin beside a cookie', { headers: { Origin: undefined, Cookie: 'a=1' } }, 'origin_not_allowed'],
    [9, 'its subprotocols', { headers: { 'Sec-WebSocket-Protocol': 'chat' } }, 'subprotocol_required'],
  ])('passes step %i: %s is refused as everywhere', async (_step, _name, parts, code, extra) => {
    const client = await RawClient.open(
      test.port,
      { target: '/public', ...parts },
      messageBytes('echo', 'x'),
    );
    await expectRefusal(client, code, extra);
    expect(Public.seen.messages).not.toContain('x');
  });

  it('takes a client without an Origin, that has no cookie either', async () => {
    const client = await RawClient.open(test.port, { target: '/public', headers: { Origin: undefined } });
    await client.upgraded();
    await expectEcho(client, 2);
    client.destroy();
  });

  it('is no way to the guarded one beside it', async () => {
    const outside = await RawClient.open(test.port, { target: '/public' });
    await outside.upgraded();
    for (const event of ['whoami', 'admin', 'auth', 'auth.refresh']) {
      outside.send(event, { token: test.token() });
      expect(await outside.message()).toMatchObject({ event: 'exception', data: { code: 'unknown_event' } });
    }
    expect(Guarded.seen.connected).toEqual([]);
    for (const target of ['/ws', '/ws?public', '/ws?path=/public']) {
      const client = await RawClient.open(test.port, { target });
      await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.missing });
    }
    const inside = await RawClient.open(test.port, {
      target: '/ws',
      headers: { Authorization: `Bearer ${test.token()}` },
    });
    await inside.upgraded();
    inside.send('whoami');
    expect((await inside.message()).data).toMatchObject({ id: 'ada' });
    expect(test.connections.local()).toHaveLength(1);
    inside.destroy();
    outside.destroy();
  });

  it('looks at no credential, spends none, and logs none', async () => {
    const { ticket } = await test.tickets.issue({ principal: { id: 'ada' } });
    const token = test.token();
    for (const parts of [
      { target: `/public?ticket=${ticket}` },
      { target: `/public?ticket=${ticket}&ticket=${ticket}` },
      { target: `/public?token=${token}` },
      { target: '/public', headers: { Authorization: `Bearer ${token}x` } },
      { target: '/public', headers: { Cookie: '__Host-sid=a; __Host-sid=b' } },
    ]) {
      const client = await RawClient.open(test.port, parts);
      await client.upgraded();
      client.destroy();
    }
    for (const secret of [ticket, token]) expect(test.logger.lines.join('\n')).not.toContain(secret);
    const client = await RawClient.open(test.port, { target: `/ws?ticket=${ticket}` });
    await client.upgraded();
    client.destroy();
  });

  it('is shown a request without the credentials that were in its URL and subprotocols', async () => {
    const requests: IncomingMessage[] = [];
    @WsPublic()
    @WebSocketGateway({ path: '/public' })
    class RequestGateway {
      handleConnection(_client: object, request: IncomingMessage) {
        requests.push(request);
      }
    }
    const own = await boot({ gateways: [RequestGateway] });
    const headers = { 'Sec-WebSocket-Protocol': 'ticket.ws-auth.wst_SECRET, ws-auth.v1' };
    const target = '/public?a=1&token=SECRET&Ticket=SECRET&b=2&access_token[]=SECRET';
    await (await RawClient.open(own.port, { target, headers })).upgraded();
    expect(requests[0]!.url).toBe('/public?a=1&b=2');
    expect(JSON.stringify([requests[0]!.headers, requests[0]!.rawHeaders])).not.toContain('SECRET');
  });

  it('passes the steps about the node and the transport', async () => {
    const own = await boot({
      gateways: [makePublicGateway('/public')],
      options: { handshake: { requireTls: true } },
    });
    await expectRefusal(await RawClient.open(own.port, { target: '/public' }), 'insecure_transport');
    own.engine.drain();
    await expectRefusal(await RawClient.open(own.port, { target: '/public' }), 'draining');
  });

  it('passes the connect rate, shared with the guarded one beside it', async () => {
    const own = await boot({
      gateways: [makePublicGateway('/public'), makeChatGateway('/ws')],
      options: { handshake: { connectRate: { limit: 2, windowMs: 60_000, burst: 2 } } },
    });
    await (await RawClient.open(own.port, { target: '/public' })).upgraded();
    await (await RawClient.open(own.port, { target: '/ws' })).upgraded();
    await expectRefusal(await RawClient.open(own.port, { target: '/public' }), 'rate_limited');
    await expectRefusal(await RawClient.open(own.port, { target: '/ws' }), 'rate_limited');
  });

  it('narrows origins and subprotocols for itself', async () => {
    const other = 'https://other.example';
    const own = await boot({
      gateways: [
        makePublicGateway('/a', { origins: [other], protocols: ['a.v2', 'a.v1'] }),
        makePublicGateway('/b'),
      ],
      options: { origins: [ORIGIN, other], handshake: { protocols: ['b.v1'] } },
    });
    const open = (target: string, origin: string, protocol: string): Promise<RawClient> =>
      RawClient.open(own.port, {
        target,
        headers: { Origin: origin, 'Sec-WebSocket-Protocol': protocol },
      });
    await expectRefusal(await open('/a', ORIGIN, 'a.v1'), 'origin_not_allowed');
    await expectRefusal(await open('/a', other, 'b.v1'), 'subprotocol_required');
    for (const [target, origin, offered, chosen] of [
      ['/a', other, 'a.v1, a.v2, b.v1', 'a.v2'],
      ['/a', other, 'ws-auth.v1, a.v1', 'a.v1'],
      ['/b', ORIGIN, 'a.v1, b.v1', 'b.v1'],
      ['/b', other, 'x, ws-auth.v1', 'ws-auth.v1'],
    ] as const) {
      const response = await (await open(target, origin, offered)).upgraded();
      expect(response.headers['sec-websocket-protocol']).toBe(chosen);
    }
  });
});

describe('a gateway with a port of its own', () => {
  it('answers on its path there, and nowhere else', async () => {
    const port = await freePort();
    const Own = makePublicGateway('/own', {}, port);
    const test = await boot({ gateways: [Own, makeChatGateway('/ws')] });
    const client = await RawClient.open(port, { target: '/own' });
    await client.upgraded();
    await expectEcho(client, 'there');
    for (const target of ['/', '/ws', '/own/', '/own/x', '/OWN']) {
      await expectRefusal(await RawClient.open(port, { target }), 'not_found');
    }
    await expectRefusal(await RawClient.open(test.port, { target: '/own' }), 'not_found');
    await expectRefusal(
      await RawClient.open(port, { target: '/own', headers: { Origin: EVIL } }),
      'origin_not_allowed',
    );
  });

  it('answers on / when it has no path', async () => {
    const port = await freePort();
    const Own = makePublicGateway(undefined, {}, port);
    await boot({ gateways: [Own] });
    for (const target of ['/', '/?x=1']) {
      const client = await RawClient.open(port, { target });
      await client.upgraded();
      await expectEcho(client, target);
    }
    for (const target of ['/x', '/ws']) {
      await expectRefusal(await RawClient.open(port, { target }), 'not_found');
    }
  });

  it('is guarded like any other, and shares the port with a public one', async () => {
    const port = await freePort();
    @WsAuth({ credentials: ['bearer'] })
    @WebSocketGateway(port, { path: '/guarded' })
    class GuardedGateway {
      @SubscribeMessage('ping')
      ping() {
        return { event: 'pong' };
      }
    }
    const test = await boot({ gateways: [GuardedGateway, makePublicGateway('/open', {}, port)] });
    await expectRefusal(await RawClient.open(port, { target: '/guarded' }), 'unauthorized', {
      'www-authenticate': CHALLENGE.missing,
    });
    const client = await RawClient.open(port, {
      target: '/guarded',
      headers: { Authorization: `Bearer ${test.token()}` },
    });
    await client.upgraded();
    client.send('ping');
    expect(await client.message()).toEqual({ event: 'pong' });
    await (await RawClient.open(port, { target: '/open' })).upgraded();
  });

  it('counts with the others against the caps and the rate of the node', async () => {
    const port = await freePort();
    const test = await boot({
      gateways: [makePublicGateway('/own', {}, port), makePublicGateway('/public')],
      options: { handshake: { connectRate: { limit: 2, windowMs: 60_000, burst: 2 } } },
    });
    await (await RawClient.open(port, { target: '/own' })).upgraded();
    await (await RawClient.open(test.port, { target: '/public' })).upgraded();
    await expectRefusal(await RawClient.open(port, { target: '/own' }), 'rate_limited');
  });

  it.each([
    ['GET', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['POST with a body', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx'],
    ['two in a row', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(2)],
  ])('answers a plain %s once, with 426, and lets the socket go (HS-14)', async (_, request) => {
    const port = await freePort();
    await boot({ gateways: [makePublicGateway('/own', {}, port)] });
    const accepted = new Map<number | undefined, Socket>();
    const onAccepted = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      accepted.set(socket.remotePort, socket);
    };
    subscribe('net.server.socket', onAccepted);
    const client = await RawClient.connect(port);
    client.write(request);
    const response = await client.response();
    expect(response.status).toBe(426);
    expect(response.headers).toMatchObject({
      connection: 'close',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(response.body)),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    await client.end();
    expect(client.unread).toBe('');
    unsubscribe('net.server.socket', onAccepted);
    // The server's end of it goes, though we never close ours.
    const server = accepted.get(client.socket.localPort)!;
    await eventually(() => server.destroyed, 2_500);
    client.destroy();
  });

  it.each(['', 'GET /own HTTP/1.1\r\nHost:'])(
    'lets the application close, though somebody there has said no more than %j',
    async (bytes) => {
      const port = await freePort();
      const test = await startApp({ gateways: [makePublicGateway('/own', {}, port)] });
      const silent = await RawClient.connect(port);
      if (bytes) silent.write(bytes);
      // The server has accepted what came before this one.
      await expectRefusal(await RawClient.open(port, { target: '/x' }), 'not_found');
      const start = performance.now();
      await test.close();
      expect(performance.now() - start).toBeLessThan(2_000);
      silent.destroy();
    },
  );

  it('stops the boot when its port is taken', async () => {
    const port = await freePort();
    await boot({ gateways: [makePublicGateway('/own', {}, port)] });
    const second = startApp({ gateways: [makePublicGateway('/own', {}, port)] });
    await expect(second).rejects.toThrow(`a gateway cannot listen on port ${port}`);
  });
});
