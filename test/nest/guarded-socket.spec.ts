import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import type { Server, WebSocket } from 'ws';
import { WsAuth, wsConnection } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { messageBytes, OPCODE, RawClient } from '../support/raw-client.js';

const ENDED = 'the connection has ended';
const open: TestApp[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

async function start() {
  const sockets: WebSocket[] = [];
  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class Gateway {
    static server: Server;
    afterInit(server: Server) {
      Gateway.server = server;
    }
    handleConnection(client: WebSocket) {
      sockets.push(client);
    }
    @SubscribeMessage('echo')
    echo() {
      return { event: 'echo' };
    }
  }
  const test = await startApp({ gateways: [Gateway], options: { lifetime: { closeGraceMs: 300 } } });
  open.push(test);
  return { test, sockets, Gateway };
}

async function admitted(test: TestApp, claims: object = {}): Promise<RawClient> {
  const client = await RawClient.open(test.port, {
    headers: { Authorization: `Bearer ${test.token({ ...claims })}` },
  });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

describe('GuardedSocket', () => {
  describe('behind the fence (SE-02)', () => {
    it('tells whoever sends, pings or pongs that it did not', async () => {
      const { test, sockets } = await start();
      const client = await admitted(test);
      const socket = sockets[0]!;
      test.connections.close({ connection: wsConnection(socket).id });
      const outcomes = [
        new Promise((resolve) => socket.send('x', resolve)),
        new Promise((resolve) => socket.send('x', { binary: false }, resolve)),
        new Promise((resolve) => socket.ping('x', false, resolve)),
        new Promise((resolve) => socket.pong('x', false, resolve)),
      ];
      for (const error of await Promise.all(outcomes)) expect(error).toMatchObject({ message: ENDED });
      socket.send('without a callback');
      expect(await client.closed()).toMatchObject({ before: [] });
      client.finish();
      await client.end();
      expect(client.unread).toBe('');
    });

    it('is left out of broadcasts over server.clients, from the moment of the decision', async () => {
      const { test, Gateway } = await start();
      const revoked = await admitted(test, { sub: 'eve' });
      const kept = await admitted(test, { sub: 'ada' });
      const broadcast = (text: string): void => {
        for (const client of Gateway.server.clients) client.send(text);
      };
      broadcast('before');
      const revocation = test.sessions.revoke({ user: 'eve' });
      const send = setInterval(() => broadcast('during'), 1);
      await revocation;
      broadcast('after');
      clearInterval(send);
      const { before } = await revoked.closed();
      expect(before[0]).toBe('before');
      expect(before).not.toContain('after');
      const frames: string[] = [];
      while (frames.at(-1) !== 'after') frames.push((await kept.frame()).payload.toString());
      expect(frames[0]).toBe('before');
    });

    it('drops what came with the frame that ended it', async () => {
      const { test, sockets } = await start();
      const client = await admitted(test);
      sockets[0]!.on('message', () => test.connections.close({ connection: wsConnection(sockets[0]!).id }));
      client.write(messageBytes('echo'), messageBytes('echo'));
      expect((await client.closed()).before).toEqual([]);
    });
  });

  it('costs no set of subscriptions until there is one', async () => {
    const { test, sockets } = await start();
    await admitted(test);
    const socket = sockets[0] as unknown as { subscriptions: Set<unknown> };
    expect(socket.subscriptions).toBe(socket.subscriptions);
    expect(socket.subscriptions.size).toBe(0);
  });

  it('has one listener on the network socket, which is the same for all', async () => {
    const { test, sockets } = await start();
    await admitted(test);
    await admitted(test);
    const [first, second] = sockets.map((socket) =>
      (socket as unknown as { _socket: NodeJS.EventEmitter })._socket.listeners('data'),
    );
    expect(first).toHaveLength(2);
    expect(first).toEqual(second);
  });

  it('sends what an application sends in a turn before the pong of that turn, in order', async () => {
    const { test, sockets } = await start();
    const client = await admitted(test);
    sockets[0]!.send('first');
    sockets[0]!.pong('second');
    sockets[0]!.send('third');
    expect((await client.frame()).payload.toString()).toBe('first');
    expect(await client.frame()).toMatchObject({ opcode: OPCODE.pong });
    expect((await client.frame()).payload.toString()).toBe('third');
  });

  it('leaves nothing in the wheel when its client is gone in the middle of a message (TH-04)', async () => {
    const { test } = await start();
    const client = await admitted(test);
    const whole = test.engine.wheel.size;
    client.write(messageBytes('echo').subarray(0, 5));
    await eventually(() => test.engine.wheel.size === whole + 1);
    client.reset();
    await eventually(() => test.engine.wheel.size === test.restingDeadlines);
  });
});
