import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { WsAuth, type WsAuthOptions, wsConnection, WsPublic } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { NestProcess } from '../support/nest-process.js';
import { handshakeBytes, messageBytes, OPCODE, RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
const processes: NestProcess[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const test of open.splice(0)) await test.discard();
  for (const child of processes.splice(0)) await child.kill();
});

/** What one `send` came to. */
type Outcome = 'sent' | string;

function makeGateway(isPublic = false) {
  const seen = { sockets: [] as WebSocket[], disconnected: 0 };
  class FeedGateway {
    static readonly seen = seen;
    handleConnection(client: WebSocket) {
      seen.sockets.push(client);
    }
    handleDisconnect() {
      seen.disconnected += 1;
    }
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      return { event: 'echo', data };
    }
    @SubscribeMessage('slow-echo')
    async slowEcho(@MessageBody() data: number) {
      for (let index = 0; index < data % 7; index += 1) await Promise.resolve();
      return { event: 'echo', data };
    }
  }
  (isPublic ? WsPublic() : WsAuth())(FeedGateway);
  WebSocketGateway({ path: '/ws' })(FeedGateway);
  return FeedGateway;
}

async function start(
  outbound: NonNullable<WsAuthOptions['message']>['outbound'],
  gateway = makeGateway(),
): Promise<TestApp> {
  const options = { message: { outbound }, lifetime: { closeGraceMs: 500 } };
  const test = await startApp({ gateways: [gateway], options });
  open.push(test);
  return test;
}

async function admitted(test: TestApp): Promise<RawClient> {
  const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${test.token()}` } });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

/** A client that has stopped to read, its socket, and the network between them full. @returns how much was sent */
async function stalled(
  test: TestApp,
  gateway: ReturnType<typeof makeGateway>,
  highWaterBytes: number,
): Promise<{ client: RawClient; socket: WebSocket; filled: number }> {
  const client = await admitted(test);
  const socket = gateway.seen.sockets.at(-1)!;
  client.socket.pause();
  let filled = 0;
  for (let below = 0; below < 3;) {
    if (socket.bufferedAmount > highWaterBytes) below += 1;
    else socket.send(JSON.stringify({ event: 'fill', data: 'x'.repeat(30_000), index: filled++ }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { client, socket, filled };
}

/** Sends, and tells what came of it. */
function send(socket: WebSocket, data: string | Buffer): Promise<Outcome> {
  return new Promise((resolve) => socket.send(data, (error) => resolve(error ? error.message : 'sent')));
}

const text = (event: string, data: unknown): string => JSON.stringify({ event, data });

describe('TH-05: a client that does not read', () => {
  it(
    'is cut while 64 MB are broadcast; memory is bounded, and who reads gets everything',
    { timeout: 90_000 },
    async () => {
      const child = await NestProcess.start({});
      processes.push(child);
      const handshake = handshakeBytes({ headers: { Authorization: 'Bearer ada' } });
      const stalledSocket = connect(child.port, '127.0.0.1');
      const reading = connect(child.port, '127.0.0.1');
      sockets.push(stalledSocket, reading);
      stalledSocket.write(handshake);
      reading.write(handshake);
      await Promise.all([once(stalledSocket, 'data'), once(reading, 'data')]);
      stalledSocket.pause();
      let received = 0;
      reading.on('data', (chunk: Buffer) => (received += chunk.length));
      await child.broadcast('warm', 200, 4_000);
      const before = await child.measure();
      received = 0;
      const after = await child.broadcast('news', 4_000, 16_000);
      expect(after.counts.cut).toBe(1);
      expect(after.live).toBe(1);
      expect(after.events.filter(({ reasonCode }) => reasonCode === 'backpressure')).toEqual([
        { reasonCode: 'backpressure', closeCode: 1006 },
      ]);
      expect(after.rss - before.rss).toBeLessThan(40 * 2 ** 20);
      await eventually(() => received >= 4_000 * 16_000);
    },
  );

  it('loses what is above the high water, and is told what it was sent before', async () => {
    const Gateway = makeGateway();
    const highWaterBytes = 100_000;
    const test = await start({ highWaterBytes, maxBytes: 10_000_000 }, Gateway);
    const { client, socket, filled } = await stalled(test, Gateway, highWaterBytes);
    const buffered = socket.bufferedAmount;
    for (let index = 0; index < 20; index += 1)
      expect(await send(socket, text('lost', index))).toBe('the peer reads too slowly');
    expect(await send(socket, Buffer.alloc(1_000))).toBe('the peer reads too slowly');
    expect(socket.bufferedAmount).toBeLessThanOrEqual(buffered);
    expect(test.engine.outboundCounts).toEqual({ dropped: 21, coalesced: 0, cut: 0 });
    client.socket.resume();
    for (let index = 0; index < filled; index += 1) {
      const message = JSON.parse((await client.frame()).payload.toString()) as {
        event: string;
        index: number;
      };
      expect([message.event, message.index]).toEqual(['fill', index]);
    }
    expect(await send(socket, text('again', 1))).toBe('sent');
    expect(await client.message()).toEqual({ event: 'again', data: 1 });
  });

  it('is cut when it was not sent more than it may be owed, and not before', async () => {
    const Gateway = makeGateway();
    const highWaterBytes = 100_000;
    const test = await start({ highWaterBytes, maxBytes: 400_000 }, Gateway);
    const { client, socket } = await stalled(test, Gateway, highWaterBytes);
    const other = await admitted(test);
    const owed = socket.bufferedAmount;
    const outcomes: Outcome[] = [];
    for (let sent = owed; sent < 400_000; sent += 10_000)
      outcomes.push(await send(socket, 'x'.repeat(10_000)));
    expect(new Set(outcomes)).toEqual(new Set(['the peer reads too slowly']));
    expect(await send(socket, 'one more')).toBe('the connection has ended');
    expect(await send(socket, 'and another')).toBe('the connection has ended');
    const event = await test.eventOf(({ reasonCode }) => reasonCode === 'backpressure');
    expect(event).toMatchObject({
      event: 'connection_closed',
      outcome: 'closed',
      closeCode: 1006,
      principal: 'ada',
    });
    await eventually(() => Gateway.seen.disconnected === 1);
    client.socket.resume();
    await client.end();
    expect(test.events.filter(({ outcome }) => outcome === 'closed')).toHaveLength(1);
    expect(test.engine.outboundCounts.cut).toBe(1);
    other.send('echo', 1);
    expect(await other.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
  });

  it('is cut on a public gateway too', async () => {
    const Gateway = makeGateway(true);
    const test = await start({ highWaterBytes: 10_000, maxBytes: 50_000 }, Gateway);
    const client = await RawClient.open(test.port);
    clients.push(client);
    await client.upgraded();
    client.socket.pause();
    const socket = Gateway.seen.sockets[0]!;
    await eventually(() => {
      socket.send('x'.repeat(30_000));
      return socket.readyState !== socket.OPEN;
    });
    expect(await test.eventOf(({ reasonCode }) => reasonCode === 'backpressure')).toMatchObject({
      closeCode: 1006,
    });
    expect(test.engine.outboundCounts.cut).toBe(1);
  });

  it('cannot be sent a part of a message that is sent in parts', async () => {
    const Gateway = makeGateway();
    const test = await start({ highWaterBytes: 100_000, maxBytes: 10_000_000 }, Gateway);
    const { client, socket, filled } = await stalled(test, Gateway, 100_000);
    socket.send('{"event":', { fin: false });
    socket.send('"parts"}', { fin: true });
    expect(await send(socket, text('lost', 1))).toBe('the peer reads too slowly');
    client.socket.resume();
    for (let index = 0; index < filled; index += 1) await client.frame();
    expect(await client.frame()).toMatchObject({
      fin: false,
      opcode: OPCODE.text,
      payload: Buffer.from('{"event":'),
    });
    expect(await client.frame()).toMatchObject({ fin: true, opcode: 0, payload: Buffer.from('"parts"}') });
  });

  it('may be sent more in one turn than the high water, as long as it reads', async () => {
    const Gateway = makeGateway();
    const test = await start({ highWaterBytes: 10_000, maxBytes: 20_000 }, Gateway);
    const client = await admitted(test);
    const socket = Gateway.seen.sockets[0]!;
    for (let index = 0; index < 50; index += 1) socket.send(text('burst', 'x'.repeat(2_000)));
    for (let index = 0; index < 50; index += 1) expect((await client.message()).event).toBe('burst');
    expect(test.engine.outboundCounts).toEqual({ dropped: 0, coalesced: 0, cut: 0 });
  });
});

describe('TH-05: coalescing', () => {
  const outbound = { highWaterBytes: 100_000, maxBytes: 1_000_000, whenSlow: 'coalesce' } as const;

  it('keeps the newest message of each event, and sends it when the peer has caught up', async () => {
    const Gateway = makeGateway();
    const test = await start(outbound, Gateway);
    const { client, socket, filled } = await stalled(test, Gateway, outbound.highWaterBytes);
    const outcomes: Promise<Outcome>[] = [];
    for (let index = 0; index < 100; index += 1) {
      outcomes.push(send(socket, text('price', index)));
      if (index < 50) outcomes.push(send(socket, text('news', index)));
    }
    expect(await send(socket, 'no envelope')).toBe('the peer reads too slowly');
    expect(await send(socket, Buffer.from(text('price', 'binary')))).toBe('the peer reads too slowly');
    expect(test.engine.outboundCounts).toEqual({ dropped: 2, coalesced: 148, cut: 0 });
    client.socket.resume();
    for (let index = 0; index < filled; index += 1) await client.frame();
    expect(await client.message()).toEqual({ event: 'news', data: 49 });
    expect(await client.message()).toEqual({ event: 'price', data: 99 });
    const told = await Promise.all(outcomes);
    expect(told.filter((outcome) => outcome === 'sent')).toHaveLength(2);
    expect(new Set(told)).toEqual(new Set(['sent', 'a newer message of the event took its place']));
    expect(await send(socket, text('price', 100))).toBe('sent');
    expect(await client.message()).toEqual({ event: 'price', data: 100 });
  });

  it('never lets an older message arrive after a newer one', async () => {
    const Gateway = makeGateway();
    const test = await start(outbound, Gateway);
    const { client, socket, filled } = await stalled(test, Gateway, outbound.highWaterBytes);
    client.socket.resume();
    let index = 0;
    while (socket.bufferedAmount > 0) {
      socket.send(text('price', (index += 1)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.send(text('price', (index += 1)));
    let last = 0;
    for (let count = 0; count < filled;) {
      const { event, data } = await client.message();
      if (event === 'fill') count += 1;
      else expect(data).toBeGreaterThan(last);
      if (event === 'price') last = data as number;
    }
    while (last < index) {
      const { data } = await client.message();
      expect(data).toBeGreaterThan(last);
      last = data as number;
    }
  });

  it('holds back no frame of the library', async () => {
    const Gateway = makeGateway();
    const test = await start(outbound, Gateway);
    const { client, socket, filled } = await stalled(test, Gateway, outbound.highWaterBytes);
    socket.send(text('price', 1));
    for (const event of ['exception', 'exception', 'rate', 'auth.ok']) socket.send(text(event, {}));
    client.socket.resume();
    for (let index = 0; index < filled; index += 1) await client.frame();
    const events: string[] = [];
    for (let index = 0; index < 5; index += 1) events.push((await client.message()).event);
    expect(events).toEqual(['exception', 'exception', 'rate', 'auth.ok', 'price']);
  });

  it('keeps so many events apart, and loses the others', async () => {
    const Gateway = makeGateway();
    const test = await start(outbound, Gateway);
    const { client, socket, filled } = await stalled(test, Gateway, outbound.highWaterBytes);
    for (let index = 0; index < 70; index += 1) socket.send(text(`event-${index}`, index));
    expect(test.engine.outboundCounts).toEqual({ dropped: 6, coalesced: 0, cut: 0 });
    client.socket.resume();
    for (let index = 0; index < filled; index += 1) await client.frame();
    for (let index = 0; index < 64; index += 1) expect((await client.message()).data).toBe(index);
  });

  it('cuts who is owed too much all the same', async () => {
    const Gateway = makeGateway();
    const test = await start({ ...outbound, maxBytes: 300_000 }, Gateway);
    const { socket } = await stalled(test, Gateway, outbound.highWaterBytes);
    const kept = send(socket, text('kept', 1));
    for (let index = 0; socket.readyState === socket.OPEN; index += 1)
      socket.send(text(`event-${index}`, 'x'.repeat(20_000)));
    expect(test.engine.outboundCounts.cut).toBe(1);
    expect(await kept).toBe('the connection has ended');
  });

  it('sends nothing that it kept behind the fence (SE-02)', async () => {
    const Gateway = makeGateway();
    const test = await start(outbound, Gateway);
    const { client, socket, filled } = await stalled(test, Gateway, outbound.highWaterBytes);
    const kept = send(socket, text('price', 1));
    test.connections.close({ connection: wsConnection(socket).id });
    client.socket.resume();
    for (let index = 0; index < filled; index += 1) await client.frame();
    expect((await client.frame()).opcode).toBe(OPCODE.close);
    expect(await kept).toBe('the connection has ended');
  });
});

describe('replies of one turn', () => {
  /** Counts how often this socket is written to. */
  function countWrites(socket: WebSocket): { writes: number } {
    const raw = (socket as unknown as { _socket: Duplex })._socket;
    const count = { writes: 0 };
    const { _write, _writev } = raw;
    raw._write = function (...args) {
      count.writes += 1;
      return _write.apply(this, args);
    };
    raw._writev = function (...args) {
      count.writes += 1;
      return _writev!.apply(this, args);
    };
    return count;
  }

  it.each(['echo', 'slow-echo'])('leave in one write, and in order: %s', async (event) => {
    const Gateway = makeGateway();
    const test = await start({}, Gateway);
    const client = await admitted(test);
    const count = countWrites(Gateway.seen.sockets[0]!);
    client.write(...Array.from({ length: 100 }, (_, index) => messageBytes(event, index)));
    for (let index = 0; index < 100; index += 1) expect((await client.message()).data).toBe(index);
    // The hundred may come in two chunks.
    expect(count.writes).toBeLessThanOrEqual(3);
  });

  it('leave in the order in which they were sent, with whatever else is sent in the turn', async () => {
    const Gateway = makeGateway();
    const test = await start({}, Gateway);
    const client = await admitted(test);
    const socket = Gateway.seen.sockets[0]!;
    const sent: string[] = [];
    socket.send('a');
    socket.send('é');
    socket.send(Buffer.from('b'));
    socket.send('c', () => sent.push('c'));
    socket.ping('d');
    socket.send('e');
    socket.pong('f');
    socket.send('x'.repeat(20_000));
    socket.send('g');
    socket.send('h', { fin: false });
    socket.send('i', { fin: true });
    socket.send('j');
    socket.send(new Blob(['k']));
    socket.send('l');
    const received: [number, string][] = [];
    while (received.length < 14) {
      const { opcode, payload } = await client.frame();
      received.push([opcode, payload.toString().replace(/x+/, 'x')]);
    }
    const { text: t, binary, ping, pong, continuation } = OPCODE;
    expect(received).toEqual([
      [t, 'a'],
      [t, 'é'],
      [binary, 'b'],
      [t, 'c'],
      [ping, 'd'],
      [t, 'e'],
      [pong, 'f'],
      [t, 'x'],
      [t, 'g'],
      [t, 'h'],
      [continuation, 'i'],
      [t, 'j'],
      [binary, 'k'],
      [t, 'l'],
    ]);
    expect(sent).toEqual(['c']);
  });

  it('leave with the Close that comes in the same turn, and before it', async () => {
    const Gateway = makeGateway();
    const test = await start({}, Gateway);
    const client = await admitted(test);
    const socket = Gateway.seen.sockets[0]!;
    for (let index = 0; index < 3; index += 1) socket.send(text('last', index));
    socket.close(4_000);
    expect(await client.closed()).toMatchObject({
      code: 4_000,
      before: [0, 1, 2].map((index) => text('last', index)),
    });
  });

  it('leave before the socket ends because its peer has sent FIN, when that is read in the same turn', async () => {
    const Gateway = makeGateway();
    const test = await start({}, Gateway);
    const client = await admitted(test);
    const raw = (Gateway.seen.sockets[0] as unknown as { _socket: Duplex })._socket;
    raw.pause();
    client.send('echo', 1);
    client.send('unknown');
    client.finish();
    await eventually(() => (raw as unknown as { _readableState: { ended: boolean } })._readableState.ended);
    raw.resume();
    expect((await client.messageOf('exception')).data).toMatchObject({ code: 'unknown_event' });
  });

  it('leave before a terminate in the same turn', async () => {
    const Gateway = makeGateway();
    const test = await start({}, Gateway);
    const client = await admitted(test);
    const socket = Gateway.seen.sockets[0]!;
    socket.send(text('last', 1));
    socket.terminate();
    expect(await client.message()).toEqual({ event: 'last', data: 1 });
    await client.end();
  });

  it('do not wait for anything but the turn', async () => {
    const Gateway = makeGateway();
    const test = await start({}, Gateway);
    const client = await admitted(test);
    const socket = Gateway.seen.sockets[0]!;
    const raw = (socket as unknown as { _socket: Duplex })._socket;
    const frameBytes = 2 + text('now', 1).length;
    socket.send(text('now', 1));
    expect([raw.writableLength, socket.bufferedAmount]).toEqual([0, frameBytes]);
    socket.send(Buffer.from('bytes'));
    expect(raw.writableCorked).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect([raw.writableCorked, raw.writableLength, socket.bufferedAmount]).toEqual([0, 0, 0]);
    expect(await client.message()).toEqual({ event: 'now', data: 1 });
  });
});
