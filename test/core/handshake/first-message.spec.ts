import { describe, expect, it } from 'vitest';
import { CLOSE, type CloseCode } from '../../../lib/core/close-code.js';
import type { Connection } from '../../../lib/core/connection.js';
import type { PresentedCredential } from '../../../lib/core/handshake/credential-reader.js';
import {
  FirstMessageGate,
  type FirstMessageSocket,
  type InboundFrame,
} from '../../../lib/core/handshake/first-message.js';
import { HandshakeRefused, type RefusalCode } from '../../../lib/core/handshake/refusal.js';
import { DeadlineWheel } from '../../../lib/core/lifetime/deadline-wheel.js';
import type { FirstMessageOptions } from '../../../lib/core/handshake/first-message-options.js';
import { DEFAULT_OPTIONS } from '../../../lib/core/options.js';
import { fakeClock } from '../../support/fake-clock.js';

/** A socket that remembers what was done to it, in order. */
class FakeSocket implements FirstMessageSocket {
  readonly sent: string[] = [];
  readonly refusals: [close: CloseCode, reason: string][] = [];
  readonly opened: [connection: Connection, held: readonly InboundFrame[]][] = [];
  readonly withdrawn: Connection[] = [];
  isPaused = false;

  send(text: string): void {
    this.sent.push(text);
  }

  pause(): void {
    this.isPaused = true;
  }

  refuse(close: CloseCode, reason: string): void {
    this.refusals.push([close, reason]);
  }

  open(connection: Connection, held: readonly InboundFrame[]): void {
    this.opened.push([connection, held]);
  }

  withdraw(connection: Connection): void {
    this.withdrawn.push(connection);
  }
}

const connection = { id: 'connection' } as Connection;
const text = (data: string): InboundFrame => ({ data: Buffer.from(data), isBinary: false });
const message = (event: string, data: unknown): InboundFrame => text(JSON.stringify({ event, data }));
const auth = (data: unknown): InboundFrame => message('auth', data);
const goodAuth = auth({ token: 'a.b.c' });

/** Lets everything run that an answer of the authenticator set off. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

/** A gate on a fake socket, started, and an authenticator that waits to be told. */
function openGate(
  options: Partial<Required<FirstMessageOptions>> = {},
  acceptedKinds?: readonly ('ticket' | 'bearer')[],
) {
  const clock = fakeClock();
  const wheel = new DeadlineWheel({ now: clock });
  const socket = new FakeSocket();
  const presented: PresentedCredential[] = [];
  let answer: { accept: (connection: Connection) => void; reject: (error: unknown) => void };
  const gate = new FirstMessageGate({
    options: { ...DEFAULT_OPTIONS.firstMessage, ...options },
    acceptedKinds: acceptedKinds ?? ['bearer', 'ticket'],
    socket,
    wheel,
    authenticate: (credential) => {
      presented.push(credential);
      return new Promise((accept, reject) => {
        answer = { accept, reject };
      });
    },
  });
  gate.start();
  return {
    gate,
    socket,
    wheel,
    presented,
    receive: (...frames: InboundFrame[]) => frames.forEach((frame) => gate.receive(frame)),
    accept: async () => {
      answer.accept(connection);
      await settled();
    },
    reject: async (error: unknown) => {
      answer.reject(error);
      await settled();
    },
    pass: (ms: number) => {
      clock.advance(ms);
      wheel.sweep();
    },
  };
}

describe('FirstMessageGate', () => {
  it('asks for a credential at once, byte for byte as promised', () => {
    const { socket } = openGate();
    expect(socket.sent).toEqual([
      '{"event":"auth.required","data":{"timeoutMs":5000,"methods":["bearer","ticket"]}}',
    ]);
  });

  it('asks only for what the gateway takes', () => {
    const { socket } = openGate({ timeoutMs: 2_000 }, ['ticket']);
    expect(socket.sent).toEqual(['{"event":"auth.required","data":{"timeoutMs":2000,"methods":["ticket"]}}']);
  });

  describe('admission', () => {
    it.each([
      [{ token: 'a.b.c' }, { kind: 'bearer', value: 'a.b.c' }],
      [{ ticket: 'wst_x' }, { kind: 'ticket', value: 'wst_x' }],
    ])('hands %j to the authenticator, and opens when it admits', async (data, credential) => {
      const { gate, socket, presented, receive, accept } = openGate();
      receive(auth(data));
      expect(presented).toEqual([credential]);
      expect(gate.isOver).toBe(false);
      expect(socket.opened).toEqual([]);
      await accept();
      expect(gate.isOver).toBe(true);
      expect(socket.opened).toEqual([[connection, []]]);
      expect(socket.refusals).toEqual([]);
    });

    it('stops reading while the credential is verified', () => {
      const { socket, receive } = openGate();
      receive(goodAuth);
      expect(socket.isPaused).toBe(true);
    });

    it('delivers the frames that came meanwhile in their order, and only after admission (FM-01, MS-07)', async () => {
      const { gate, socket, receive, accept } = openGate();
      const held = [
        message('secret', 1),
        text('no json'),
        { data: Buffer.from([1]), isBinary: true },
        message('b', 2),
      ];
      receive(goodAuth, ...held);
      expect(gate.heldFrames).toBe(4);
      expect(socket.opened).toEqual([]);
      await accept();
      expect(socket.opened).toEqual([[connection, held]]);
      expect(gate.heldFrames).toBe(0);
    });

    it('leaves no deadline behind', async () => {
      const { wheel, socket, receive, accept, pass } = openGate();
      receive(goodAuth);
      await accept();
      expect(wheel.size).toBe(0);
      pass(60_000);
      expect(socket.refusals).toEqual([]);
    });

    it('takes nothing any more once it is over', async () => {
      const { socket, presented, receive, accept } = openGate();
      receive(goodAuth);
      await accept();
      receive(goodAuth, message('chat', 1));
      expect(presented).toHaveLength(1);
      expect(socket.opened).toHaveLength(1);
      expect(socket.refusals).toEqual([]);
    });
  });

  describe('the first frame', () => {
    it.each<[string, InboundFrame, CloseCode, string]>([
      ['another event (FM-01)', message('secret', {}), CLOSE.unauthorized, 'message_before_auth'],
      ['a refresh', message('auth.refresh', { token: 'x' }), CLOSE.unauthorized, 'message_before_auth'],
      ['no JSON', text('hello'), CLOSE.badMessage, 'auth_frame_malformed'],
      ['an empty frame', text(''), CLOSE.badMessage, 'auth_frame_malformed'],
      ['two credentials', auth({ token: 'x', ticket: 'y' }), CLOSE.badMessage, 'auth_frame_malformed'],
      ['none', auth({}), CLOSE.badMessage, 'auth_frame_malformed'],
      [
        'a ticket that is a list (TK-09)',
        auth({ ticket: ['a', 'b'] }),
        CLOSE.unauthorized,
        'credential_unusable',
      ],
      ['a ticket that is an object (TK-09)', auth({ ticket: {} }), CLOSE.unauthorized, 'credential_unusable'],
      ['a ticket that is null (TK-09)', auth({ ticket: null }), CLOSE.unauthorized, 'credential_unusable'],
      ['a ticket that is a number (TK-09)', auth({ ticket: 1 }), CLOSE.unauthorized, 'credential_unusable'],
      [
        'a good auth frame as binary (FM-03)',
        { ...goodAuth, isBinary: true },
        CLOSE.unsupported,
        'binary_before_auth',
      ],
      ['9 KiB (FM-03)', auth({ token: 'x'.repeat(9_216) }), CLOSE.tooBig, 'auth_frame_too_big'],
    ])('is refused when it is %s', (_, frame, close, reason) => {
      const { gate, socket, wheel, presented, receive } = openGate();
      receive(frame);
      expect(socket.refusals).toEqual([[close, reason]]);
      expect(presented).toEqual([]);
      expect(gate.isOver).toBe(true);
      expect(wheel.size).toBe(0);
    });

    it('may have exactly as many bytes as are allowed, and no more (FM-03)', () => {
      const frame = auth({ token: 'é' });
      const fits = openGate({ maxBytes: frame.data.length });
      fits.receive(frame);
      expect(fits.presented).toHaveLength(1);
      const tight = openGate({ maxBytes: frame.data.length - 1 });
      tight.receive(frame);
      expect(tight.socket.refusals).toEqual([[CLOSE.tooBig, 'auth_frame_too_big']]);
    });

    it('is refused when it carries a kind that the gateway does not take', () => {
      const { socket, presented, receive } = openGate({}, ['ticket']);
      receive(goodAuth);
      expect(socket.refusals).toEqual([[CLOSE.unauthorized, 'credential_kind_not_accepted']]);
      expect(presented).toEqual([]);
    });

    it('is the only one: nothing behind a bad one is looked at (FM-04)', () => {
      const { socket, presented, receive } = openGate();
      receive(message('secret', 1), goodAuth, goodAuth);
      expect(socket.refusals).toHaveLength(1);
      expect(presented).toEqual([]);
    });
  });

  describe('while the credential is verified', () => {
    it.each([
      goodAuth,
      message('auth.refresh', { token: 'x' }),
      text('{"event":"\\u0061uth","data":{"token":"x"}}'),
    ])('refuses a second auth frame (FM-04)', async (second) => {
      const { socket, presented, receive, accept } = openGate();
      receive(goodAuth, second);
      expect(socket.refusals).toEqual([[CLOSE.badMessage, 'second_auth_frame']]);
      expect(presented).toHaveLength(1);
      await accept();
      expect(socket.opened).toEqual([]);
      expect(socket.withdrawn).toEqual([connection]);
    });

    it('never lets a good credential repair a bad one (FM-04)', async () => {
      const { socket, presented, receive, reject } = openGate();
      receive(auth({ token: 'bad' }), goodAuth);
      await reject(new HandshakeRefused('unauthorized', 'token_signature'));
      expect(presented).toEqual([{ kind: 'bearer', value: 'bad' }]);
      expect(socket.opened).toEqual([]);
      expect(socket.refusals).toHaveLength(1);
    });

    it('holds as many frames as are allowed, and refuses one more', () => {
      const { gate, socket, receive } = openGate({ maxHeldFrames: 3 });
      receive(goodAuth, text('1'), text('2'), text('3'));
      expect(gate.heldFrames).toBe(3);
      expect(socket.refusals).toEqual([]);
      receive(text('4'));
      expect(socket.refusals).toEqual([[CLOSE.badMessage, 'too_much_before_auth']]);
      expect(gate.heldFrames).toBe(0);
    });

    it('holds 256 frames and 256 KiB', () => {
      const frames = openGate();
      frames.receive(goodAuth, ...Array.from({ length: 256 }, () => text('x')));
      expect(frames.socket.refusals).toEqual([]);
      const bytes = openGate();
      bytes.receive(goodAuth, ...Array.from({ length: 4 }, () => text('x'.repeat(65_536))));
      expect(bytes.socket.refusals).toEqual([]);
      bytes.receive(text('x'));
      expect(bytes.socket.refusals).toEqual([[CLOSE.badMessage, 'too_much_before_auth']]);
    });

    it('holds nothing where that is what the options say', () => {
      const { socket, receive } = openGate({ maxHeldFrames: 0 });
      receive(goodAuth, text('x'));
      expect(socket.refusals).toEqual([[CLOSE.badMessage, 'too_much_before_auth']]);
    });
  });

  describe('refusal by the authenticator', () => {
    it.each<[RefusalCode, CloseCode]>([
      ['unauthorized', CLOSE.unauthorized],
      ['forbidden', CLOSE.forbidden],
      ['too_many_connections', CLOSE.tooManyConnections],
      ['unavailable', CLOSE.tryLater],
      ['overloaded', CLOSE.tryLater],
      ['draining', CLOSE.restart],
      ['rate_limited', CLOSE.rateLimited],
    ])('closes a socket that is %s with the code of that', async (refusal, close) => {
      const { gate, socket, wheel, receive, reject } = openGate();
      receive(goodAuth, text('held'));
      await reject(new HandshakeRefused(refusal, 'why'));
      expect(socket.refusals).toEqual([[close, 'why']]);
      expect(socket.opened).toEqual([]);
      expect(gate.heldFrames).toBe(0);
      expect(wheel.size).toBe(0);
    });

    it('is never a failed login when it is a fault of the server', async () => {
      const { socket, receive, reject } = openGate();
      receive(goodAuth);
      await reject(new Error('canary'));
      expect(socket.refusals).toEqual([[CLOSE.error, 'verifier_failed']]);
    });
  });

  describe('deadline (FM-02)', () => {
    it('closes a silent socket in time', () => {
      const { gate, socket, pass } = openGate({ timeoutMs: 5_000 });
      pass(4_999);
      expect(socket.refusals).toEqual([]);
      pass(51);
      expect(socket.refusals).toEqual([[CLOSE.authTimeout, 'auth_timeout']]);
      expect(gate.isOver).toBe(true);
    });

    it('is not restarted by an auth frame or by what follows it', async () => {
      const { socket, receive, accept, pass } = openGate({ timeoutMs: 5_000 });
      pass(4_000);
      receive(goodAuth);
      pass(900);
      receive(text('x'));
      pass(150);
      expect(socket.refusals).toEqual([[CLOSE.authTimeout, 'auth_timeout']]);
      await accept();
      expect(socket.opened).toEqual([]);
      expect(socket.withdrawn).toEqual([connection]);
    });

    it('closes once, whatever the authenticator answers later', async () => {
      const { socket, receive, reject, pass } = openGate();
      receive(goodAuth);
      pass(10_000);
      await reject(new HandshakeRefused('unauthorized', 'late'));
      expect(socket.refusals).toEqual([[CLOSE.authTimeout, 'auth_timeout']]);
    });
  });

  describe('abandon', () => {
    it('gives the connection back when the client left while it was admitted (HS-04)', async () => {
      const { gate, socket, wheel, receive, accept } = openGate();
      receive(goodAuth);
      gate.abandon();
      expect(wheel.size).toBe(0);
      await accept();
      expect(socket.opened).toEqual([]);
      expect(socket.withdrawn).toEqual([connection]);
      expect(socket.refusals).toEqual([]);
    });

    it('does nothing more with the socket', async () => {
      const { gate, socket, receive, reject, pass } = openGate();
      receive(goodAuth);
      gate.abandon();
      receive(text('x'));
      await reject(new HandshakeRefused('unauthorized', 'x'));
      pass(10_000);
      expect(socket.refusals).toEqual([]);
      expect(gate.heldFrames).toBe(0);
    });
  });
});
