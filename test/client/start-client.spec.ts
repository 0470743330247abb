import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  type Client,
  ClientError,
  type ClientOptions,
  createClient,
  type DropReason,
} from '../../lib/client/index.js';
import { startClient } from '../../lib/client/start-client.js';
import { FakeHost, settled } from './support/fake-host.js';

async function start(options: Partial<ClientOptions> = {}) {
  const host = new FakeHost();
  const dropped: DropReason[] = [];
  const client = startClient(host, {
    url: 'wss://api.example/chat',
    credential: 'cookie',
    onDrop: (reason) => dropped.push(reason),
    ...options,
  });
  await settled();
  return { host, client, dropped };
}

async function startOpen(options: Partial<ClientOptions> = {}) {
  const test = await start(options);
  test.host.socket.admit(3_600_000, 'session');
  return test;
}

/** What a promise rejected with. */
function failure(promise: Promise<unknown>): Promise<ClientError> {
  return promise.then(
    (value) => Promise.reject(new Error(`fulfilled with ${JSON.stringify(value)}`)),
    (error: ClientError) => error,
  );
}

/** What a function threw. */
function thrown(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return (error as ClientError).code;
  }
  return undefined;
}

describe('createClient', () => {
  it('refuses options that are unsafe or cannot work, and makes no socket', () => {
    const token = () => 'a.b.c';
    const wrong: ClientOptions[] = [
      { url: 'wss://api.example/', credential: { token }, mode: 'query', WebSocket: class {} as never },
      { url: 'ws://api.example/', credential: 'cookie', WebSocket: class {} as never },
      { url: 'wss://api.example/?token=x', credential: 'cookie', WebSocket: class {} as never },
    ];
    for (const options of wrong) expect(() => createClient(options)).toThrow(TypeError);
    const bare = { now: () => 0, globals: {} } as unknown as FakeHost;
    expect(() => startClient(bare, { url: 'wss://api.example/', credential: 'cookie' })).toThrow(
      'WebSocket: none',
    );
  });

  it('types the events of the application', () => {
    type Receives = { said: { by: string; text: string }; history: string[] };
    type Sends = { say: string; history: { last: number } };
    type Typed = Client<Receives, Sends>;
    expectTypeOf<Parameters<Typed['send']>[0]>().toEqualTypeOf<'say' | 'history'>();
    const use = (client: Typed): void => {
      expectTypeOf(client.request('history', { last: 5 })).resolves.toEqualTypeOf<string[]>();
      expectTypeOf(client.request('say', 'hi', { answer: 'said' })).resolves.toEqualTypeOf<
        Receives['said']
      >();
      client.on('said', (data) => expectTypeOf(data).toEqualTypeOf<Receives['said']>());
      client.on('auth.ok', (data) => expectTypeOf(data.expiresAt).toEqualTypeOf<number>());
      // @ts-expect-error no such event
      client.send('shout', 'hi');
      // @ts-expect-error another type
      client.send('say', 5);
    };
    expect(use).toBeTypeOf('function');
  });
});

describe('the client', () => {
  it('hands events to their handlers, and its own as well', async () => {
    const { host, client } = await start();
    const seen: unknown[] = [];
    client.on('auth.ok', ({ connectionId }) => seen.push(connectionId));
    client.on('said', (data) => seen.push(data));
    host.socket.admit();
    host.socket.receive('said', { text: 'hi' });
    host.socket.receive('unheard', 1);
    expect(seen).toEqual(['c', { text: 'hi' }]);
  });

  it('tells every state', async () => {
    const { host, client } = await start();
    const states: string[] = [];
    client.onStatus(({ state }) => states.push(state));
    host.socket.admit();
    host.socket.end(1006);
    await host.advance(1_000);
    client.close();
    expect(states).toEqual(['open', 'waiting', 'connecting', 'closed']);
  });

  it('drops what is no frame, too large, or too early, and tells', async () => {
    const { host, client, dropped } = await start({ maxFrameBytes: 100 });
    const seen: unknown[] = [];
    client.on('said', (data) => seen.push(data));
    host.socket.open();
    host.socket.receive('said', 'before auth.ok');
    host.socket.renew(60_000);
    host.socket.receiveRaw(new ArrayBuffer(4));
    host.socket.receiveRaw('not JSON');
    host.socket.receive('said', 'x'.repeat(100));
    host.socket.receive('said', 'hi');
    expect(dropped).toEqual(['malformed', 'malformed', 'malformed', 'too_big']);
    expect(seen).toEqual(['hi']);
  });

  describe('send', () => {
    it('throws while there is no connection, and when it is over', async () => {
      const { host, client } = await start();
      expect(thrown(() => client.send('a'))).toBe('not_open');
      host.socket.admit();
      client.send('a', 1);
      host.socket.readyState = 2;
      expect(thrown(() => client.send('b'))).toBe('not_open');
      client.close();
      expect(thrown(() => client.send('c'))).toBe('closed');
      expect(host.socket.sent).toEqual([{ event: 'a', data: 1 }]);
    });

    it('throws when the socket has too much to send', async () => {
      const { host, client } = await startOpen({ maxBufferedBytes: 10 });
      host.socket.bufferedAmount = 10;
      expect(thrown(() => client.send('a'))).toBe('buffer_full');
    });

    it('keeps messages for the next connection, within the bound and in order', async () => {
      const { host, client } = await start({ maxQueuedBytes: 50 });
      client.send('a', 1);
      client.send('b', 2);
      expect(thrown(() => client.send('c', 3))).toBe('queue_full');
      client.onStatus(({ state }) => state === 'open' && client.send('d', 4));
      host.socket.admit();
      expect(host.socket.sent.map(({ event }) => event)).toEqual(['a', 'b', 'd']);
    });

    it('keeps no message for another session', async () => {
      const { host, client, dropped } = await startOpen({ maxQueuedBytes: 1_000 });
      host.socket.end(1006);
      client.send('a', 1);
      const answer = failure(client.request('b'));
      await host.advance(1_000);
      host.socket.admit(3_600_000, 'another');
      expect(host.socket.sent).toEqual([]);
      expect([dropped, (await answer).code]).toEqual([['other_session'], 'other_session']);
    });

    it('keeps what was sent in the same session', async () => {
      const { host, client } = await startOpen({ maxQueuedBytes: 1_000 });
      host.socket.end(1006);
      client.send('a', 1);
      await host.advance(1_000);
      host.socket.admit(3_600_000, 'session');
      expect(host.socket.sent).toEqual([{ event: 'a', data: 1 }]);
    });
  });

  describe('request', () => {
    it('resolves with the answer, which no handler sees', async () => {
      const { host, client } = await startOpen();
      const seen: unknown[] = [];
      client.on('echo', (data) => seen.push(data));
      const answer = client.request('echo', 1);
      host.socket.receive('echo', 1);
      host.socket.receive('echo', 2);
      expect([await answer, seen]).toEqual([1, [2]]);
    });

    it('sends the next of an event when the one before has its answer', async () => {
      const { host, client } = await startOpen();
      const answers = [1, 2].map((data) => client.request('echo', data));
      const other = client.request('other');
      expect(host.socket.sent).toEqual([{ event: 'echo', data: 1 }, { event: 'other' }]);
      host.socket.receive('other', 'o');
      host.socket.receive('echo', 'first');
      host.socket.receive('echo', 'second');
      expect(await Promise.all([...answers, other])).toEqual(['first', 'second', 'o']);
    });

    it('waits for another event when told', async () => {
      const { host, client } = await startOpen();
      const answer = client.request('say', 'hi', { answer: 'said' });
      host.socket.receive('say', 'no');
      host.socket.receive('said', 'yes');
      expect(await answer).toBe('yes');
    });

    it('lets several of an event be under way when their answers carry an id', async () => {
      const { host, client } = await startOpen();
      const ask = (id: number) =>
        client.request('get', { id }, { match: (data) => (data as { id: number }).id === id });
      const answers = [ask(1), ask(2)];
      expect(host.socket.sent).toHaveLength(2);
      host.socket.receive('get', { id: 2 });
      host.socket.receive('get', { id: 1 });
      expect(await Promise.all(answers)).toEqual([{ id: 1 }, { id: 2 }]);
    });

    it.each(['exception', 'rate'])('rejects with what %s says of its event', async (event) => {
      const { host, client } = await startOpen();
      const refused = failure(client.request('say', 'hi'));
      const other = client.request('other');
      host.socket.receive(event, { event: 'say', code: 'forbidden', message: 'no', retryAfterMs: 5 });
      host.socket.receive('other', 1);
      const error = await refused;
      expect(error).toBeInstanceOf(ClientError);
      expect(error).toMatchObject({ code: 'refused', answer: { code: 'forbidden', retryAfterMs: 5 } });
      expect(await other).toBe(1);
    });

    it('leaves a refusal to the handlers when it could be of several', async () => {
      const { host, client } = await startOpen();
      const seen: unknown[] = [];
      client.on('exception', ({ code }) => seen.push(code));
      const refused = [1, 2].map((data) =>
        failure(client.request('get', data, { match: () => false, timeoutMs: 5_000 })),
      );
      host.socket.receive('exception', { event: 'get', code: 'internal' });
      await host.advance(5_000);
      expect(seen).toEqual(['internal']);
      for (const error of await Promise.all(refused)) expect(error.code).toBe('timeout');
    });

    it('never takes the late answer to one for the answer to the next', async () => {
      const { host, client } = await startOpen();
      const late = failure(client.request('get', 1, { timeoutMs: 1_000 }));
      await host.advance(1_000);
      expect((await late).code).toBe('timeout');
      const next = client.request('get', 2);
      expect(host.socket.sent).toHaveLength(1);
      host.socket.receive('get', 'one');
      expect(host.socket.sent).toHaveLength(2);
      host.socket.receive('get', 'two');
      expect(await next).toBe('two');
    });

    it('is not sent when it timed out before its turn, or before there was a connection', async () => {
      const { host, client } = await start({ maxQueuedBytes: 1_000 });
      const queued = failure(client.request('a', 1, { timeoutMs: 1_000 }));
      const inLine = failure(client.request('a', 2, { timeoutMs: 1_000 }));
      await host.advance(1_000);
      expect([(await queued).code, (await inLine).code]).toEqual(['timeout', 'timeout']);
      host.socket.admit();
      expect(host.socket.sent).toEqual([]);
    });

    it('rejects when the connection ends, and is not sent twice', async () => {
      const { host, client } = await startOpen({ maxQueuedBytes: 1_000 });
      const sent = failure(client.request('a', 1));
      const inLine = client.request('a', 2);
      host.socket.end(1006);
      expect((await sent).code).toBe('connection_lost');
      await host.advance(1_000);
      host.socket.admit(3_600_000, 'session');
      expect(host.socket.sent).toEqual([{ event: 'a', data: 2 }]);
      host.socket.receive('a', 'two');
      expect(await inLine).toBe('two');
    });

    it('rejects while there is no connection, with too many under way, and when the client stops', async () => {
      const { host, client } = await start();
      expect((await failure(client.request('a'))).code).toBe('not_open');
      host.socket.admit();
      const all = Array.from({ length: 100 }, () => failure(client.request('a')));
      expect((await failure(client.request('a'))).code).toBe('queue_full');
      host.socket.end(4410, 'revoked');
      for (const error of await Promise.all(all)) expect(error.code).toBe('closed');
      expect((await failure(client.request('a'))).code).toBe('closed');
      expect(host.waiting).toBe(0);
    });
  });

  describe('refresh', () => {
    const tokens = (): ClientOptions['credential'] => {
      let fetched = 0;
      return { token: () => `token-${(fetched += 1)}` };
    };

    it('goes ahead of the end by a fifth and some, whatever the clock of this machine says', async () => {
      for (const serverTime of [5_000, 9_000_000_000]) {
        const { host } = await start({ credential: tokens() });
        host.socket.admit(100_000, undefined, serverTime);
        await host.advance(74_999);
        expect(host.socket.sent).toEqual([]);
        await host.advance(1);
        expect(host.socket.sent).toEqual([{ event: 'auth.refresh', data: { token: 'token-2' } }]);
        host.socket.renew(100_000, undefined, serverTime + 75_000);
        await host.advance(75_000);
        expect(host.socket.sent).toHaveLength(2);
      }
    });

    it('is ahead by 5 to 7.5 minutes at most', async () => {
      const { host } = await start({ credential: tokens() });
      host.socket.admit(36_000_000);
      await host.advance(36_000_000 - 375_000 - 1);
      expect(host.socket.sent).toEqual([]);
      await host.advance(1);
      expect(host.socket.sent).toHaveLength(1);
    });

    it('goes when the server says that it is time, and when the application does', async () => {
      const { host, client } = await start({ credential: tokens() });
      host.socket.admit();
      host.socket.receive('auth.expiring', { expiresAt: 1 });
      client.refresh();
      await settled();
      expect(host.socket.sent).toHaveLength(1);
      host.socket.renew();
      client.refresh();
      await settled();
      expect(host.socket.sent).toHaveLength(2);
    });

    it.each([
      ['exception', { event: 'auth.refresh', code: 'try_later', retryAfterMs: 2_000 }],
      ['rate', { name: 'refresh', retryAfterMs: 2_000 }],
    ])('goes again later after %s', async (event, data) => {
      const { host, client } = await start({ credential: tokens() });
      host.socket.admit();
      client.refresh();
      await settled();
      host.socket.receive(event, data);
      await host.advance(1_999);
      expect(host.socket.sent).toHaveLength(1);
      await host.advance(2_001);
      expect(host.socket.sent).toHaveLength(2);
    });

    it('tries again when the credential cannot be fetched now, and not when nobody is logged in', async () => {
      let answer: () => string | null = () => 'token';
      const { host, client } = await start({ credential: { token: () => answer() } });
      host.socket.admit();
      answer = () => {
        throw new Error('503');
      };
      client.refresh();
      await settled();
      answer = () => null;
      await host.advance(10_000);
      expect(host.socket.sent).toEqual([]);
      answer = () => 'token';
      await host.advance(60_000);
      expect(host.socket.sent).toEqual([]);
      client.refresh();
      await settled();
      expect(host.socket.sent).toHaveLength(1);
    });
  });
});
