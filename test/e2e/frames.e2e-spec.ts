import { once } from 'node:events';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { WsAuth, type WsAuthOptions, WsAuthOptionsError, WsPublic } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { NestProcess } from '../support/nest-process.js';
import { closeBytes, frameBytes, messageBytes, OPCODE, RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
const processes: NestProcess[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
  for (const child of processes.splice(0)) await child.kill();
});

function makeEchoGateway(options: object = {}) {
  const errors: unknown[] = [];
  @WsAuth()
  @WebSocketGateway({ path: '/ws', ...options } as object)
  class EchoGateway {
    static readonly errors = errors;
    handleConnection(client: WebSocket) {
      client.on('error', (error) => errors.push(error));
    }
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      return { event: 'echo', data };
    }
  }
  return EchoGateway;
}

async function start(
  message: WsAuthOptions['message'] = {},
  gateways: (new () => object)[] = [makeEchoGateway()],
): Promise<TestApp> {
  const test = await startApp({ gateways, options: { message, lifetime: { closeGraceMs: 500 } } });
  open.push(test);
  return test;
}

async function admitted(test: TestApp, headers: Record<string, string> = {}): Promise<RawClient> {
  const client = await RawClient.open(test.port, {
    headers: { Authorization: `Bearer ${test.token()}`, ...headers },
  });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

/** Reads the Close, and checks that exactly one event tells of the end of its connection. */
async function expectEnd(test: TestApp, client: RawClient, code: number, reasonCode: string): Promise<void> {
  expect(await client.closed()).toMatchObject({ code });
  client.finish();
  await client.end();
  await eventually(() => test.connections.local().length === 0);
  const ends = test.events.filter(({ outcome }) => outcome === 'closed');
  expect(ends).toEqual([expect.objectContaining({ reasonCode, closeCode: code })]);
  expect(ends[0]).toMatchObject({ principal: 'ada', path: '/ws' });
}

/** A frame with the bits of a test: RSV, no mask, or another opcode. */
function withFirstByte(bytes: Buffer, first: number): Buffer {
  return Buffer.concat([Buffer.from([first]), bytes.subarray(1)]);
}

describe('MS-01: the size of a message', () => {
  const text = JSON.stringify({ event: 'echo', data: 'x'.repeat(65_537 - 26) });

  it('may be 65,536 bytes, and not one more', async () => {
    expect(text).toHaveLength(65_537);
    const test = await start();
    const client = await admitted(test);
    client.write(frameBytes(text.replace('xx', 'x')));
    expect((await client.messageOf('echo')).data).toHaveLength(65_537 - 27);
    client.write(frameBytes(text));
    await expectEnd(test, client, 1009, 'message_too_big');
  });

  it('is that of all fragments together', async () => {
    const test = await start();
    const client = await admitted(test);
    client.write(
      frameBytes(text.slice(0, 40_000), OPCODE.text, false),
      frameBytes(text.slice(40_000), OPCODE.continuation),
    );
    await expectEnd(test, client, 1009, 'message_too_big');
  });

  it('is refused before it has come', async () => {
    const test = await start();
    const client = await admitted(test);
    client.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1]));
    await expectEnd(test, client, 1009, 'message_too_big');
  });

  it('does not matter for what is binary', async () => {
    const test = await start();
    const client = await admitted(test);
    client.write(frameBytes('{"event":"echo"}', OPCODE.binary));
    await expectEnd(test, client, 1003, 'binary_frame');
  });
});

describe('MS-02: what breaks the protocol', () => {
  it.each([
    ['a frame without a mask', Buffer.from([0x81, 0x01, 0x61]), 1002, 'protocol_error'],
    ['RSV1', withFirstByte(frameBytes('x'), 0xc1), 1002, 'protocol_error'],
    ['RSV2', withFirstByte(frameBytes('x'), 0xa1), 1002, 'protocol_error'],
    ['RSV3', withFirstByte(frameBytes('x'), 0x91), 1002, 'protocol_error'],
    ['opcode 3', frameBytes('x', 3), 1002, 'protocol_error'],
    ['opcode 11', frameBytes('x', 11), 1002, 'protocol_error'],
    ['a continuation of nothing', frameBytes('x', OPCODE.continuation), 1002, 'protocol_error'],
    [
      'a message within a message',
      Buffer.concat([frameBytes('x', OPCODE.text, false), frameBytes('x')]),
      1002,
      'protocol_error',
    ],
    ['a ping of 126 bytes', frameBytes('x'.repeat(126), OPCODE.ping), 1002, 'protocol_error'],
    ['a ping in fragments', frameBytes('x', OPCODE.ping, false), 1002, 'protocol_error'],
    ['a Close of one byte', frameBytes('x', OPCODE.close), 1002, 'protocol_error'],
    ['the close code 1005', closeBytes(1005), 1002, 'protocol_error'],
    ['the close code 1006', closeBytes(1006), 1002, 'protocol_error'],
    ['the close code 999', closeBytes(999), 1002, 'protocol_error'],
    [
      'a close reason that is no UTF-8',
      frameBytes(Buffer.from([0x03, 0xe8, 0xc3, 0x28]), 8),
      1007,
      'bad_text',
    ],
    ['text that is no UTF-8', frameBytes(Buffer.from([0xc3, 0x28])), 1007, 'bad_text'],
    ['text that ends within a character', frameBytes(Buffer.from([0xe2, 0x82])), 1007, 'bad_text'],
    ['a surrogate', frameBytes(Buffer.from([0xed, 0xa0, 0x80])), 1007, 'bad_text'],
  ])('is closed, and told once: %s', async (_, bytes, code, reasonCode) => {
    const test = await start();
    const client = await admitted(test);
    client.write(bytes);
    await expectEnd(test, client, code, reasonCode);
    const other = await admitted(test);
    other.send('echo', 'lives');
    expect((await other.messageOf('echo')).data).toBe('lives');
  });

  it('is not a character that is cut by the end of a fragment', async () => {
    const test = await start();
    const client = await admitted(test);
    const bytes = Buffer.from('{"event":"echo","data":"€"}');
    const cut = bytes.indexOf(0xe2);
    client.write(
      frameBytes(bytes.subarray(0, cut + 1), OPCODE.text, false),
      frameBytes(bytes.subarray(cut + 1, cut + 2), OPCODE.continuation, false),
      frameBytes('', OPCODE.continuation, false),
      frameBytes(bytes.subarray(cut + 2), OPCODE.continuation),
    );
    expect((await client.messageOf('echo')).data).toBe('€');
  });

  it('is closed before authentication too, and told once', async () => {
    const test = await start();
    for (const [bytes, reasonCode] of [
      [frameBytes('x', 3), 'protocol_error'],
      [Buffer.concat(Array.from({ length: 11 }, () => frameBytes('', OPCODE.ping))), 'control_flood'],
    ] as const) {
      const client = await RawClient.open(test.port);
      clients.push(client);
      await client.upgraded();
      await client.message();
      test.events.length = 0;
      client.write(bytes);
      expect([1002, 1008]).toContain((await client.closed()).code);
      client.finish();
      await test.eventOf(({ reasonCode: told }) => told === reasonCode);
      expect(test.events).toHaveLength(1);
    }
  });

  it('is closed on a public gateway, whose other clients stay', async () => {
    @WsPublic()
    @WebSocketGateway({ path: '/ws' })
    class PublicGateway {}
    const test = await start({}, [PublicGateway]);
    const connect = async (): Promise<RawClient> => {
      const client = await RawClient.open(test.port);
      clients.push(client);
      await client.upgraded();
      return client;
    };
    const [broken, flooding, sound] = [await connect(), await connect(), await connect()];
    broken.write(frameBytes('x', 3));
    expect((await broken.closed()).code).toBe(1002);
    flooding.write(...Array.from({ length: 20 }, () => frameBytes('', OPCODE.ping)));
    expect((await flooding.closed()).code).toBe(1008);
    sound.write(frameBytes('still there', OPCODE.ping));
    expect(await sound.frame()).toMatchObject({ opcode: OPCODE.pong, payload: Buffer.from('still there') });
  });
});

describe('TH-03: control frames', () => {
  it('may come ten in a second, and each ping is answered', async () => {
    const test = await start();
    const client = await admitted(test);
    client.write(...Array.from({ length: 10 }, (_, index) => frameBytes(`${index}`, OPCODE.ping)));
    for (let index = 0; index < 10; index += 1) {
      expect(await client.frame()).toMatchObject({ opcode: OPCODE.pong, payload: Buffer.from(`${index}`) });
    }
  });

  it.each([
    ['pings', () => frameBytes('', OPCODE.ping)],
    ['pongs that nobody asked for', () => frameBytes('', OPCODE.pong)],
    ['both', (index: number) => frameBytes('', index % 2 ? OPCODE.ping : OPCODE.pong)],
  ])('close 1008 when there are more: %s', async (_, frame) => {
    const test = await start({ maxControlFramesPerSecond: 4 });
    const client = await admitted(test);
    client.write(...Array.from({ length: 5 }, (_, index) => frame(index)), messageBytes('echo', 'too late'));
    expect(await client.closed()).toMatchObject({
      reason: expect.stringMatching(/^control_flood;id=[\w-]{12}$/),
    });
    expect(test.events.filter(({ outcome }) => outcome === 'closed')).toEqual([
      expect.objectContaining({ reasonCode: 'control_flood', closeCode: 1008 }),
    ]);
    await client.end();
    expect(client.unread).toBe('');
  });

  it('are counted anew as time goes on', async () => {
    const test = await start({ maxControlFramesPerSecond: 50 });
    const client = await admitted(test);
    for (let round = 0; round < 3; round += 1) {
      client.write(...Array.from({ length: 30 }, () => frameBytes('', OPCODE.ping)));
      for (let index = 0; index < 30; index += 1) expect((await client.frame()).opcode).toBe(OPCODE.pong);
      const again = performance.now() + 650;
      await eventually(() => performance.now() > again);
    }
  });

  it(
    'cost no memory when 400,000 pings come from a client that reads nothing',
    { timeout: 60_000 },
    async () => {
      const child = await NestProcess.start({});
      processes.push(child);
      const client = await RawClient.open(child.port, { headers: { Authorization: 'Bearer ada' } });
      clients.push(client);
      await client.upgraded();
      await client.messageOf('auth.ok');
      // What the parser needs is warm in the figure to compare with.
      client.write(...Array.from({ length: 5 }, () => frameBytes('x'.repeat(125), OPCODE.ping)));
      for (let index = 0; index < 5; index += 1) await client.frame();
      const before = await child.measure();
      client.socket.pause();
      const pings = Buffer.concat(
        Array.from({ length: 4_000 }, () => frameBytes('x'.repeat(125), OPCODE.ping)),
      );
      let peak = 0;
      const closed = once(client.socket, 'close');
      for (let round = 0; round < 100 && !client.socket.destroyed; round += 1) {
        await Promise.race([closed, new Promise((resolve) => client.socket.write(pings, resolve))]);
        if (round % 25 === 24) peak = Math.max(peak, (await child.measure()).rss);
      }
      const after = await child.measure();
      peak = Math.max(peak, after.rss);
      expect(after.live).toBe(0);
      expect(after.events.filter(({ reasonCode }) => reasonCode === 'control_flood')).toHaveLength(1);
      expect(peak - before.rss).toBeLessThan(20 * 2 ** 20);
    },
  );
});

describe('TH-04: fragments', () => {
  it.each([
    ['of one byte', 'x'],
    ['of none', ''],
  ])('are limited: 100,000 %s close 1008 early', async (_, payload) => {
    const test = await start();
    const client = await admitted(test);
    const parts = Buffer.concat(
      Array.from({ length: 1_000 }, () => frameBytes(payload, OPCODE.continuation, false)),
    );
    client.write(frameBytes('{', OPCODE.text, false));
    for (let round = 0; round < 100 && !client.ended; round += 1) {
      client.socket.write(parts);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expectEnd(test, client, 1008, 'too_many_parts');
  });

  it(
    'cost little memory when a hundred clients leave their messages unfinished',
    { timeout: 60_000 },
    async () => {
      const child = await NestProcess.start({
        connections: { maxPerUser: 200 },
        message: { fragmentTimeoutMs: 2_000 },
      });
      processes.push(child);
      const flood = await Promise.all(Array.from({ length: 100 }, () => admittedTo(child)));
      const before = await child.measure();
      // The most that one message may be, in as many parts as it may have, and never its end.
      const parts = Array.from({ length: 63 }, (_, index) =>
        frameBytes('x'.repeat(1_000), index === 0 ? OPCODE.text : OPCODE.continuation, false),
      );
      for (const client of flood) client.write(...parts);
      const closes = await Promise.all(flood.map((client) => client.closed()));
      expect(closes.map(({ code }) => code)).toEqual(Array(100).fill(1008));
      for (const client of flood) client.destroy();
      const after = await child.measure();
      expect(after.rss - before.rss).toBeLessThan(30 * 2 ** 20);
      await admittedTo(child);
    },
  );

  it('may be as many as message.maxFragments, and not one more', async () => {
    const test = await start({ maxFragments: 3 });
    const client = await admitted(test);
    const message = (parts: string[]): Buffer[] =>
      parts.map((part, index) =>
        frameBytes(part, index === 0 ? OPCODE.text : OPCODE.continuation, index === parts.length - 1),
      );
    client.write(...message(['{"event":"echo",', '"data"', ':1}']));
    expect((await client.messageOf('echo')).data).toBe(1);
    client.write(...message(['{"event":"echo",', '"data"', ':', '1}']));
    await expectEnd(test, client, 1008, 'too_many_parts');
  });

  it.each([
    ['a fragmented message that pings and fragments draw out', 'fragments'],
    ['a frame whose payload drips', 'payload'],
    ['a frame whose header drips', 'header'],
    ['a ping whose payload drips', 'ping'],
  ])('must end in time: %s', async (_, kind) => {
    const test = await start({ fragmentTimeoutMs: 400, maxFragments: 1_000 });
    const client = await admitted(test);
    const began = performance.now();
    const [first, next] = {
      fragments: [
        frameBytes('{', OPCODE.text, false),
        Buffer.concat([frameBytes(' ', OPCODE.continuation, false), frameBytes('', OPCODE.pong)]),
      ],
      payload: [frameBytes('x'.repeat(1_000)).subarray(0, 100), Buffer.from('x')],
      header: [Buffer.from([0x81]), Buffer.alloc(0)],
      ping: [frameBytes('x'.repeat(125), OPCODE.ping).subarray(0, 7), Buffer.from('x')],
    }[kind] as [Buffer, Buffer];
    client.write(first);
    const drip = setInterval(() => client.socket.writable && client.write(next), 120);
    const close = await client.closed();
    clearInterval(drip);
    expect(close).toMatchObject({ code: 1008, reason: expect.stringMatching(/^message_timeout;/) });
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(380);
    expect(took).toBeLessThan(3_000);
    client.finish();
    await eventually(() => test.engine.wheel.size === test.restingDeadlines);
    expect(test.events.filter(({ outcome }) => outcome === 'closed')).toEqual([
      expect.objectContaining({ reasonCode: 'message_timeout', closeCode: 1008 }),
    ]);
  });

  it('each have the time of their own message', async () => {
    const test = await start({ fragmentTimeoutMs: 500 });
    const client = await admitted(test);
    const bytes = messageBytes('echo', 'x'.repeat(100));
    const until = performance.now() + 1_200;
    // Every chunk ends a message and begins the next: there is never a moment without one that has begun.
    client.write(bytes.subarray(0, 50));
    for (let count = 0; performance.now() < until; count += 1) {
      client.write(bytes.subarray(50), bytes.subarray(0, 50));
      await client.messageOf('echo');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(client.ended).toBe(false);
    client.write(bytes.subarray(50));
    await client.messageOf('echo');
    client.destroy();
    await eventually(() => test.engine.wheel.size === test.restingDeadlines);
  });

  it('are not late while it is this side that does not read', async () => {
    const sockets: WebSocket[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class PausingGateway {
      handleConnection(client: WebSocket) {
        sockets.push(client);
      }
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'echo', data };
      }
    }
    const test = await start({ fragmentTimeoutMs: 200 }, [PausingGateway]);
    const client = await admitted(test);
    const bytes = messageBytes('echo', 'whole');
    client.write(bytes.subarray(0, 10));
    await eventually(
      () => (sockets[0] as unknown as { _receiver: { _bufferedBytes: number } })._receiver._bufferedBytes > 0,
    );
    sockets[0]!.pause();
    client.write(bytes.subarray(10));
    const until = performance.now() + 700;
    await eventually(() => performance.now() > until);
    sockets[0]!.resume();
    expect((await client.messageOf('echo')).data).toBe('whole');
  });
});

describe('TH-06: compression', () => {
  const FLUSHED = { finishFlush: constants.Z_SYNC_FLUSH };
  const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' };

  /** A compressed text frame (RFC 7692 §7.2.1). */
  function deflated(text: string | Buffer): Buffer {
    return compressedFrame(deflateRawSync(text, FLUSHED));
  }

  /** The frame of a deflated text, which ends with a flush. */
  function compressedFrame(flushed: Buffer): Buffer {
    return withFirstByte(frameBytes(flushed.subarray(0, -4)), 0xc1);
  }

  it('is not taken up, and a compressed frame is closed 1002', async () => {
    const test = await start();
    const client = await RawClient.open(test.port, {
      headers: { Authorization: `Bearer ${test.token()}`, ...OFFER },
    });
    clients.push(client);
    expect((await client.upgraded()).headers).not.toHaveProperty('sec-websocket-extensions');
    await client.messageOf('auth.ok');
    client.write(deflated('{"event":"echo"}'));
    await expectEnd(test, client, 1002, 'protocol_error');
  });

  it('keeps nothing between two messages where it is on', async () => {
    const test = await start({ compression: true });
    const client = await RawClient.open(test.port, {
      headers: { Authorization: `Bearer ${test.token()}`, ...OFFER },
    });
    clients.push(client);
    const extensions = (await client.upgraded()).headers['sec-websocket-extensions'];
    expect(extensions).toContain('server_no_context_takeover');
    expect(extensions).toContain('client_no_context_takeover');
    await client.messageOf('auth.ok');
    const data = 'x'.repeat(4_000);
    for (let round = 0; round < 2; round += 1) {
      client.write(deflated(JSON.stringify({ event: 'echo', data })));
      const answer = await client.frame();
      expect(answer.payload.length).toBeLessThan(200);
    }
    // Below the threshold nothing is compressed.
    client.write(deflated(JSON.stringify({ event: 'echo', data: 1 })));
    expect(await client.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
  });

  it('keeps the order of replies of which some are compressed', async () => {
    const test = await start({ compression: true });
    const client = await admitted(test, OFFER);
    const sizes = [1, 4_000, 1, 1, 4_000, 1];
    client.write(...sizes.map((size) => messageBytes('echo', 'x'.repeat(size))));
    const compressed: boolean[] = [];
    for (const size of sizes) {
      const { payload } = await client.frame();
      compressed.push(payload[0] !== 0x7b);
      if (size === 1) expect(JSON.parse(String(payload))).toEqual({ event: 'echo', data: 'x' });
    }
    expect(compressed).toEqual(sizes.map((size) => size > 1));
  });

  it('closes 1009 what is too big when it is inflated', async () => {
    const test = await start({ compression: true });
    const bomb = deflated(Buffer.alloc(50 * 2 ** 20, ' '));
    expect(bomb.length).toBeLessThan(65_536);
    const client = await admitted(test, OFFER);
    client.write(bomb);
    await expectEnd(test, client, 1009, 'message_too_big');
  });

  it('closes 1009 a megabyte that would inflate to a gigabyte', async () => {
    const test = await start({ compression: true, maxPayloadBytes: 2 * 2 ** 20 });
    // After a full flush (RFC 1951, a block that refers to nothing before it) the same bytes may stand again and again.
    const megabyte = deflateRawSync(Buffer.alloc(2 ** 20, ' '), { finishFlush: constants.Z_FULL_FLUSH });
    const bomb = Buffer.concat(Array.from({ length: 1_000 }, () => megabyte));
    expect(inflateRawSync(bomb.subarray(0, 20 * megabyte.length), FLUSHED)).toHaveLength(20 * 2 ** 20);
    const client = await admitted(test, OFFER);
    client.write(compressedFrame(bomb));
    await expectEnd(test, client, 1009, 'message_too_big');
  });

  it('closes 1007 what cannot be inflated', async () => {
    const test = await start({ compression: true });
    const client = await admitted(test, OFFER);
    client.write(withFirstByte(frameBytes(Buffer.from([0xff, 0xff, 0xff, 0xff])), 0xc1));
    await expectEnd(test, client, 1007, 'bad_text');
  });
});

describe('a gateway', () => {
  const refused = async (options: object, message: WsAuthOptions['message'] = {}): Promise<string> => {
    const error = await start(message, [makeEchoGateway(options)]).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(WsAuthOptionsError);
    return (error as Error).message;
  };

  it.each([
    ['maxPayload', 65_537, 'message.maxPayloadBytes'],
    ['maxPayload', 0, 'message.maxPayloadBytes'],
    ['maxPayload', '1kb', 'message.maxPayloadBytes'],
    ['maxFragments', 65, 'message.maxFragments'],
    ['maxBufferedChunks', 1_025, 'message.maxBufferedChunks'],
  ])('cannot raise a limit: %s of %s stops the boot (MS-01, TH-04)', async (option, value, ofModule) => {
    const sentence = await refused({ [option]: value });
    expect(sentence).toContain(`gateway EchoGateway sets the option "${option}" to ${value}`);
    expect(sentence).toContain(ofModule);
  });

  it.each([
    ['perMessageDeflate', true, 'message.compression'],
    ['perMessageDeflate', false, 'message.compression'],
    ['skipUTF8Validation', true, 'RFC 6455'],
    ['autoPong', false, 'message.maxControlFramesPerSecond'],
    ['maxPendingAutoPongs', 0, 'message.maxControlFramesPerSecond'],
    ['closeTimeout', 1, 'lifetime.closeGraceMs'],
  ])(
    'cannot decide what is decided for all: %s stops the boot (TH-06, MS-02)',
    async (option, value, instead) => {
      const sentence = await refused({ [option]: value });
      expect(sentence).toContain(`gateway EchoGateway sets the option "${option}"`);
      expect(sentence).toContain(instead);
    },
  );

  it('can lower a limit, and of two on one path the lower counts (MS-01)', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws', maxPayload: 300, maxFragments: 2 } as object)
    class StrictGateway {}
    for (const gateways of [
      [makeEchoGateway({ maxPayload: 1_000 }), StrictGateway],
      [StrictGateway, makeEchoGateway({ maxPayload: 1_000 })],
    ]) {
      const test = await start({}, gateways);
      const client = await admitted(test);
      client.send('echo', 'x'.repeat(200));
      await client.messageOf('echo');
      client.send('echo', 'x'.repeat(300));
      await expectEnd(test, client, 1009, 'message_too_big');
    }
  });
});

describe('MS-08: close codes and reasons', () => {
  const HOSTILE = 'a\nb\rc\u001b[31md\u202ee\u2028f\u0000g';

  it('of a peer are data: no log line is made by them', async () => {
    const test = await start();
    const client = await admitted(test);
    client.write(closeBytes(4_999, `${HOSTILE}${'x'.repeat(90)}`));
    expect((await client.closed()).code).toBe(4_999);
    client.finish();
    const event = await test.eventOf(({ outcome }) => outcome === 'closed');
    expect(event).toMatchObject({ reasonCode: 'client_left', closeCode: 4_999 });
    const lines = test.logger.lines.filter((line) => line.includes('client_left'));
    expect(lines).toHaveLength(1);
    // eslint-disable-next-line no-control-regex
    expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
    expect(Buffer.byteLength(lines[0]!)).toBeLessThan(1_024);
  });

  it('of an application are cut to what a frame can hold, and close the socket (RFC 6455 §5.5)', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class ClosingGateway {
      handleConnection(client: WebSocket) {
        client.on('message', () => client.close(4_000, 'ü'.repeat(100)));
      }
      @SubscribeMessage('end')
      end() {}
    }
    const test = await start({}, [ClosingGateway]);
    const client = await admitted(test);
    client.send('end');
    const close = await client.closed();
    expect(close).toMatchObject({ code: 4_000, reason: 'ü'.repeat(61) });
    expect(Buffer.byteLength(close.reason)).toBeLessThanOrEqual(123);
  });
});

describe('MS-05: messages that are all structure', () => {
  it('cost little memory, however many come', { timeout: 60_000 }, async () => {
    const child = await NestProcess.start({ connections: { maxPerUser: 500 } });
    processes.push(child);
    const bombs = [
      `{"event":"echo","data":${'['.repeat(65_000)}`,
      `{"event":"echo","data":[${'[],'.repeat(21_000)}0]}`,
      `{"event":"echo","data":${'{"a":'.repeat(12_000)}0${'}'.repeat(12_000 - 8_000)}`,
    ];
    await Promise.all(bombs.map((bomb) => closeOf(child, bomb)));
    const before = await child.measure();
    for (let round = 0; round < 20; round += 1) {
      const codes = await Promise.all(bombs.map((bomb) => closeOf(child, bomb)));
      expect(codes).toEqual([4400, 4400, 4400]);
    }
    const after = await child.measure();
    expect(after.live).toBe(0);
    expect(after.rss - before.rss).toBeLessThan(30 * 2 ** 20);
  });

  async function closeOf(child: NestProcess, text: string): Promise<number> {
    const client = await admittedTo(child);
    client.write(frameBytes(text));
    const { code } = await client.closed();
    client.destroy();
    return code;
  }
});

async function admittedTo(child: NestProcess): Promise<RawClient> {
  const client = await RawClient.open(child.port, { headers: { Authorization: 'Bearer ada' } });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}
