import { Duplex, PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import {
  assertKnownWs,
  endOnce,
  hasBegunMessage,
  missingInternals,
  type WsReceiver,
} from '../../lib/nest/ws-internals.js';
import { frameBytes, OPCODE } from '../support/raw-client.js';

/** ws's parser, fed with what a client sends. */
function makeReceiver(): { receiver: WsReceiver; feed: (bytes: Buffer) => Promise<void> } {
  const socket = new (
    WebSocket as unknown as new (...args: unknown[]) => {
      on(event: string, listener: () => void): void;
      setSocket(raw: PassThrough, head: Buffer, options: object): void;
      readonly _receiver: WsReceiver & { write(bytes: Buffer, written: () => void): void };
    }
  )(null, undefined, {});
  socket.on('error', () => {});
  socket.setSocket(new PassThrough(), Buffer.alloc(0), { maxPayload: 1_000 });
  const receiver = socket._receiver;
  return { receiver, feed: (bytes) => new Promise((resolve) => receiver.write(bytes, resolve)) };
}

describe('what is read of ws (TH-04, CF-02)', () => {
  it('is there in the ws in use', () => {
    expect(missingInternals()).toEqual([]);
    expect(() => assertKnownWs()).not.toThrow();
  });

  it('says nothing between two messages', async () => {
    const { receiver, feed } = makeReceiver();
    expect(hasBegunMessage(receiver)).toBe(false);
    await feed(Buffer.concat([frameBytes('x'), frameBytes('y', OPCODE.ping), frameBytes('')]));
    expect(hasBegunMessage(receiver)).toBe(false);
  });

  it.each([
    ['one byte', frameBytes('xyz').subarray(0, 1)],
    ['a header', frameBytes('xyz').subarray(0, 2)],
    ['a header without the whole length', frameBytes('x'.repeat(300)).subarray(0, 3)],
    ['a header without the whole mask', frameBytes('xyz').subarray(0, 4)],
    ['a header and the mask', frameBytes('xyz').subarray(0, 6)],
    ['a part of the payload', frameBytes('xyz').subarray(0, 7)],
    ['a first fragment', frameBytes('xyz', OPCODE.text, false)],
    ['a first fragment of nothing', frameBytes('', OPCODE.text, false)],
    ['a first fragment and a ping', Buffer.concat([frameBytes('', 1, false), frameBytes('', 9)])],
    ['a message and one byte', Buffer.concat([frameBytes('xyz'), frameBytes('x').subarray(0, 1)])],
  ])('says that a message has begun after %s', async (_, bytes) => {
    const { receiver, feed } = makeReceiver();
    await feed(bytes);
    expect(hasBegunMessage(receiver)).toBe(true);
  });

  it('says that it is over with its last fragment', async () => {
    const { receiver, feed } = makeReceiver();
    await feed(frameBytes('a', OPCODE.text, false));
    await feed(frameBytes('b', OPCODE.continuation, false));
    expect(hasBegunMessage(receiver)).toBe(true);
    await feed(frameBytes('c', OPCODE.continuation));
    expect(hasBegunMessage(receiver)).toBe(false);
  });
});

describe('a stream that is ended again and again', () => {
  afterEach(() => vi.restoreAllMocks());

  it('is ended once, and says so', async () => {
    const end = vi.spyOn(Duplex.prototype, 'end');
    const stream = new PassThrough();
    endOnce(stream);
    expect([stream.end(), stream.end(), stream.end()]).toEqual([stream, stream, stream]);
    expect(end).toHaveBeenCalledTimes(1);
    await new Promise((resolve) => stream.once('finish', resolve));
  });

  it('keeps an end that somebody has given it', () => {
    const end = vi.fn();
    const stream = Object.assign(new PassThrough(), { end });
    endOnce(stream);
    stream.end();
    expect(end).toHaveBeenCalledTimes(1);
  });

  it('does what else it was asked for: a last chunk, and a callback', async () => {
    const stream = new PassThrough();
    endOnce(stream);
    await new Promise<void>((resolve) => stream.end('last', resolve));
    expect(String(stream.read())).toBe('last');
    const told = await new Promise((resolve) => stream.end(resolve));
    expect(told).toMatchObject({ code: 'ERR_STREAM_ALREADY_FINISHED' });
  });
});
