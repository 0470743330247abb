import { describe, expect, it } from 'vitest';
import type { ClientOptions, StopReason } from '../../lib/client/index.js';
import { startClient } from '../../lib/client/start-client.js';
import { CLOSE } from '../../lib/core/close-code.js';
import { FakeHost, FakeOrigin, settled } from './support/fake-host.js';

const STABLE_MS = 10_000;

/** A client of numbered tickets on a host of its own. */
async function start(options: Partial<ClientOptions> = {}, host = new FakeHost()) {
  let fetched = 0;
  const stale: boolean[] = [];
  const client = startClient(host, {
    url: 'wss://api.example/chat',
    credential: {
      ticket: ({ isStale }) => {
        fetched += 1;
        stale.push(isStale);
        return `wst_${fetched}`;
      },
    },
    mode: 'query',
    ...options,
  });
  let stopped: StopReason | undefined;
  void client.closed.then((reason) => {
    stopped = reason;
  });
  await settled();
  return { host, client, stale, fetched: () => fetched, stopped: () => stopped };
}

/** The same, in, and stable. */
async function startStable(options: Partial<ClientOptions> = {}, host = new FakeHost()) {
  const test = await start(options, host);
  host.socket.admit();
  await host.advance(STABLE_MS);
  return test;
}

describe('the connector', () => {
  it('is open with auth.ok, and not before', async () => {
    const { host, client } = await start();
    expect(host.socket.url).toBe('wss://api.example/chat?ticket=wst_1');
    expect(host.socket.protocols).toEqual(['ws-auth.v1']);
    host.socket.open();
    expect(client.state).toBe('connecting');
    host.socket.renew(60_000, 'session');
    expect(client.state).toBe('open');
    expect(client.admission).toMatchObject({ connectionId: 'c', sessionId: 'session' });
  });

  it('is open with 101 where another subprotocol was chosen', async () => {
    const { host, client } = await start({ protocols: ['chat.v2'] });
    expect(host.socket.protocols).toEqual(['chat.v2', 'ws-auth.v1']);
    host.socket.open('chat.v2');
    expect([client.state, client.admission]).toEqual(['open', null]);
  });

  it('gives an attempt up that leads to nothing, and makes another', async () => {
    const { host, client, fetched } = await start({ timeoutMs: 4_000 });
    host.socket.open();
    await host.advance(4_000);
    expect(client.status).toMatchObject({ state: 'waiting', close: { code: 1006 } });
    await host.advance(1_000);
    expect([fetched(), host.sockets.length, host.sockets[0]!.closes.length]).toEqual([2, 2, 1]);
  });

  describe('at a Close', () => {
    it.each([
      [CLOSE.forbidden, 'forbidden'],
      [CLOSE.replaced, 'replaced'],
      [CLOSE.tooManyConnections, 'too_many_connections'],
      [CLOSE.revoked, 'revoked'],
      [CLOSE.badMessage, 'bad_message'],
      [{ code: 4477, word: 'unheard_of' }, 'bad_message'],
      [CLOSE.unsupported, 'protocol_error'],
      [CLOSE.tooBig, 'protocol_error'],
      [{ code: 1002, word: '' }, 'protocol_error'],
      [{ code: 1007, word: '' }, 'protocol_error'],
      [{ code: 1008, word: 'message_timeout' }, 'protocol_error'],
      [{ code: 1000, word: '' }, 'finished'],
    ])('%o stops with %s', async ({ code, word }, kind) => {
      const { host, client, stopped } = await startStable();
      host.socket.end(code, `${word};id=JwVE3DOpy6IT`);
      await host.advance(3_600_000);
      expect(stopped()).toMatchObject({ kind, close: { code, word, correlationId: 'JwVE3DOpy6IT' } });
      expect([client.state, client.status.kind, host.sockets.length, host.waiting]).toEqual([
        'closed',
        kind,
        1,
        0,
      ]);
    });

    it('4401 tries once more, at once and with a fresh credential, and then stops', async () => {
      const { host, stale, stopped } = await start();
      host.socket.open();
      host.socket.end(4401, 'unauthorized;id=JwVE3DOpy6IT');
      await host.advance(0);
      expect(host.sockets.map(({ url }) => url.slice(-5))).toEqual(['wst_1', 'wst_2']);
      expect(stale).toEqual([false, true]);
      host.socket.open();
      host.socket.end(4401, 'unauthorized');
      await host.advance(3_600_000);
      expect([stopped()?.kind, host.sockets.length]).toEqual(['unauthorized', 2]);
    });

    it('4401 is tried once more again after a stable connection, and not after an unstable one', async () => {
      const { host, client } = await startStable();
      host.socket.end(4401, 'unauthorized');
      await host.advance(0);
      host.socket.admit();
      await host.advance(STABLE_MS);
      host.socket.end(4401, 'unauthorized');
      await host.advance(0);
      host.socket.admit();
      await host.advance(STABLE_MS - 1);
      host.socket.end(4401, 'unauthorized');
      expect([client.status.kind, host.sockets.length]).toEqual(['unauthorized', 3]);
    });

    it('4419 fetches a fresh credential and reconnects at once', async () => {
      const { host, stale } = await startStable();
      host.socket.end(4419, 'expired');
      await host.advance(0);
      expect([stale, host.sockets.length]).toEqual([[false, true], 2]);
    });

    it('4419 again and again backs off', async () => {
      const { host, client } = await start();
      host.socket.admit();
      host.socket.end(4419, 'expired');
      await host.advance(0);
      host.socket.admit();
      host.socket.end(4419, 'expired');
      expect(client.status.retryInMs).toBeGreaterThan(0);
    });

    it.each([CLOSE.restart, CLOSE.tryLater, CLOSE.rateLimited])(
      '%o comes back after the time that the server names',
      async ({ code, word }) => {
        const { host, client } = await startStable();
        host.socket.end(code, `${word};retry=7000;id=JwVE3DOpy6IT`);
        expect(client.status).toMatchObject({ state: 'waiting', retryInMs: 7_000 });
        await host.advance(6_999);
        expect(host.sockets).toHaveLength(1);
        await host.advance(1);
        expect(host.sockets).toHaveLength(2);
      },
    );

    it('waits an hour at most, whatever the server names', async () => {
      const { host, client } = await startStable();
      host.socket.end(1013, 'try_later;retry=999999999');
      expect(client.status.retryInMs).toBe(3_600_000);
    });

    it('does not come back faster and faster when a server names no time again and again', async () => {
      const { host, client } = await start();
      for (const least of [0, 1_000, 2_000, 4_000]) {
        host.socket.end(1013, 'try_later;retry=0');
        expect(client.status.retryInMs).toBe(least);
        await host.advance(least);
      }
    });

    it.each([1001, 1006, 1011, 1012, 1013, 4429])(
      '%i without a time backs off with full jitter, from a second to half a minute',
      async (code) => {
        const { host, client } = await startStable();
        for (const ceiling of [1_000, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
          host.chance = 0.999;
          host.socket.end(code);
          expect(client.status.retryInMs).toBeCloseTo(ceiling * 0.999);
          await host.advance(ceiling);
        }
        host.chance = 0;
        host.socket.end(code);
        expect(client.status.retryInMs).toBe(0);
      },
    );

    it('begins with short waits again after a stable connection', async () => {
      const { host, client } = await start();
      for (let failure = 0; failure < 5; failure += 1) {
        host.socket.end(1006);
        await host.advance(client.status.retryInMs!);
      }
      host.socket.admit();
      await host.advance(STABLE_MS);
      host.socket.end(1006);
      expect(client.status.retryInMs).toBeLessThanOrEqual(1_000);
    });

    it('4408 auth_timeout backs off', async () => {
      const { host, client } = await start();
      host.socket.open();
      host.socket.end(4408, 'auth_timeout');
      expect(client.state).toBe('waiting');
    });

    it('4408 idle_timeout waits for a message or a look at the page', async () => {
      for (const wake of ['send', 'look'] as const) {
        const { host, client } = await startStable();
        await host.show('hidden');
        host.socket.end(4408, 'idle_timeout');
        await host.advance(600_000);
        expect([client.state, host.sockets.length]).toEqual(['asleep', 1]);
        if (wake === 'send') client.send('hello', 1);
        else await host.show('visible');
        await settled();
        expect([client.state, host.sockets.length]).toEqual(['connecting', 2]);
        host.socket.admit();
        expect(host.socket.sent).toEqual(wake === 'send' ? [{ event: 'hello', data: 1 }] : []);
      }
    });

    it('4408 idle_timeout comes back by itself while somebody looks at the page', async () => {
      const { host } = await startStable();
      host.socket.end(4408, 'idle_timeout');
      await host.advance(1_000);
      expect(host.sockets).toHaveLength(2);
    });
  });

  describe('the credential', () => {
    it('is fetched for each attempt', async () => {
      const { host, client, fetched } = await start();
      for (let attempt = 1; attempt <= 4; attempt += 1) {
        expect([fetched(), host.sockets.length]).toEqual([attempt, attempt]);
        host.socket.end(1006);
        await host.advance(client.status.retryInMs!);
      }
      expect(new Set(host.sockets.map(({ url }) => url)).size).toBe(host.sockets.length);
    });

    it('that cannot be fetched now is fetched later', async () => {
      let isDown = true;
      const error = new Error('503');
      const { host, client } = await start({
        credential: { ticket: () => (isDown ? Promise.reject(error) : 'wst_1') },
      });
      expect(client.status).toMatchObject({ state: 'waiting', error });
      isDown = false;
      await host.advance(1_000);
      expect(host.sockets).toHaveLength(1);
    });

    it('that does not come in time is given up, and the callback is told', async () => {
      let signal: AbortSignal | undefined;
      const { host, client } = await start({
        timeoutMs: 5_000,
        credential: {
          ticket: (request) => {
            signal = request.signal;
            return new Promise(() => {});
          },
        },
      });
      await host.advance(5_000);
      expect([client.state, signal?.aborted, host.sockets.length]).toEqual(['waiting', true, 0]);
    });

    it('that nobody has stops the client: nobody is logged in', async () => {
      for (const nothing of [null, undefined]) {
        const { host, stopped } = await start({ credential: { ticket: () => nothing } });
        expect([stopped()?.kind, host.sockets.length]).toEqual(['no_credential', 0]);
      }
    });

    it('that is no ticket stops the client, and goes nowhere', async () => {
      const { host, stopped } = await start({ credential: { ticket: () => 'eyJhbGciOi.e30.c2ln' } });
      expect([stopped()?.kind, host.sockets.length]).toEqual(['bad_credential', 0]);
    });

    it('by first message goes when the server asks, and once', async () => {
      const { host, client } = await start({ mode: 'first-message', credential: { token: () => 'a.b.c' } });
      expect([host.socket.url, host.socket.protocols]).toEqual(['wss://api.example/chat', ['ws-auth.v1']]);
      host.socket.open();
      expect(host.socket.sent).toEqual([]);
      host.socket.receive('auth.required', { timeoutMs: 5_000, methods: ['bearer'] });
      expect(host.socket.sent).toEqual([{ event: 'auth', data: { token: 'a.b.c' } }]);
      host.socket.renew();
      host.socket.receive('auth.required', { reason: 'step_up' });
      expect([client.state, host.socket.sent.length]).toEqual(['open', 1]);
    });

    it('by first message stays here when a cookie has let the client in', async () => {
      const { host, client } = await start({ mode: 'first-message' });
      host.socket.admit();
      expect([client.state, host.socket.sent]).toEqual(['open', []]);
    });

    it('of the cookie is not ours to send', async () => {
      const { host, client } = await start({ credential: 'cookie' });
      expect([host.socket.url, host.socket.protocols]).toEqual(['wss://api.example/chat', ['ws-auth.v1']]);
      host.socket.admit(60_000);
      client.refresh();
      await host.advance(60_000);
      expect(host.socket.sent).toEqual([]);
    });
  });

  it('stops after maxAttempts failures in a row', async () => {
    const { host, client, stopped } = await start({ maxAttempts: 3 });
    for (let failure = 0; failure < 3; failure += 1) {
      expect(stopped()).toBeUndefined();
      host.socket.end(1006);
      await host.advance(client.status.retryInMs ?? 0);
    }
    expect([stopped()?.kind, host.sockets.length]).toEqual(['gave_up', 3]);
  });

  it('stops when the host refuses to make a socket', async () => {
    class Refused {
      constructor() {
        throw new Error('SecurityError');
      }
    }
    const { stopped } = await start({ WebSocket: Refused as never });
    expect(stopped()).toMatchObject({ kind: 'blocked', error: { message: 'SecurityError' } });
  });

  it('is over when it is closed, whatever it was doing', async () => {
    for (const state of ['connecting', 'open', 'waiting'] as const) {
      const { host, client, stopped } = await start();
      if (state === 'open') host.socket.admit();
      if (state === 'waiting') host.socket.end(1006);
      expect(client.state).toBe(state);
      client.close();
      host.socket.end(1006);
      await host.advance(3_600_000);
      expect([stopped()?.kind, client.state, host.sockets.length, host.waiting]).toEqual([
        'closed',
        'closed',
        1,
        0,
      ]);
    }
  });

  describe('after a sleep', () => {
    it('leaves the connection that it had and makes one with a fresh credential', async () => {
      const { host, client, fetched, stale } = await startStable();
      host.sleep(600_000);
      await host.advance(0);
      expect([client.state, fetched(), host.sockets.length]).toEqual(['connecting', 2, 2]);
      expect([stale.at(-1), host.sockets[0]!.closes]).toEqual([true, [1000]]);
      host.sockets[0]!.receive('late', 1);
      host.sockets[0]!.end(1006);
      expect(client.state).toBe('connecting');
    });

    it('does so when the page is shown, before any timer has fired', async () => {
      const { host } = await startStable();
      host.sleep(600_000);
      await host.show('visible');
      expect(host.sockets).toHaveLength(2);
    });

    it('does so when the page comes back from the back/forward cache', async () => {
      const { host } = await startStable();
      await host.happen('pageshow', { persisted: false });
      expect(host.sockets).toHaveLength(1);
      await host.happen('pageshow', { persisted: true });
      expect(host.sockets).toHaveLength(2);
    });

    it('does not open a socket with the credential of an attempt that slept', async () => {
      const credentials: ((ticket: string) => void)[] = [];
      const { host } = await start({
        credential: { ticket: () => new Promise<string>((resolve) => credentials.push(resolve)) },
        timeoutMs: 3_600_000,
      });
      host.sleep(600_000);
      await host.show('visible');
      credentials[0]!('wst_old');
      credentials[1]!('wst_new');
      await settled();
      expect(host.sockets.map(({ url }) => url)).toEqual(['wss://api.example/chat?ticket=wst_new']);
    });

    it('does not take the slow timers of a page in the background for a sleep', async () => {
      const { host } = await startStable();
      for (let minute = 0; minute < 5; minute += 1) {
        host.sleep(60_000);
        await host.advance(0);
      }
      expect(host.sockets).toHaveLength(1);
    });
  });

  describe('when the network is back, or the page is shown', () => {
    it('cuts a wait short, but not one that the server asked for, and not again and again', async () => {
      for (const happening of ['online', 'visible']) {
        const wake = (host: FakeHost): Promise<void> =>
          happening === 'online' ? host.happen('online') : host.show('visible');
        const { host } = await start();
        host.chance = 0.99;
        for (let failure = 0; failure < 6; failure += 1) {
          host.socket.end(1006);
          await host.advance(30_000);
        }
        host.socket.end(1006);
        const { length } = host.sockets;
        await host.advance(1_000);
        await wake(host);
        expect(host.sockets).toHaveLength(length + 1);
        host.socket.end(1006);
        await wake(host);
        expect(host.sockets).toHaveLength(length + 1);
        await host.advance(30_000);
        expect(host.sockets).toHaveLength(length + 2);
        host.socket.end(1012, 'restart;retry=50000');
        await host.advance(5_000);
        await wake(host);
        expect(host.sockets).toHaveLength(length + 2);
      }
    });

    it('asks over the connection whether it is still there, and gives it up when nobody answers', async () => {
      const { host, client } = await startStable({ timeoutMs: 5_000 });
      await host.happen('online');
      expect(host.socket.sent).toEqual([{ event: 'auth.refresh', data: { ticket: 'wst_2' } }]);
      await host.advance(5_000);
      expect(client.state).toBe('waiting');
      await host.advance(1_000);
      expect(host.sockets).toHaveLength(2);
    });

    it('makes a new connection where it has only a cookie to ask with', async () => {
      const { host } = await startStable({ credential: 'cookie' });
      await host.happen('online');
      expect(host.sockets).toHaveLength(2);
    });

    it('refreshes what should have been refreshed meanwhile', async () => {
      const { host } = await start();
      host.socket.admit(60_000);
      host.sleep(58_000);
      await host.show('visible');
      expect(host.socket.sent).toEqual([{ event: 'auth.refresh', data: { ticket: 'wst_2' } }]);
    });
  });

  it('lets one of two tabs fetch a token for both, and a ticket for itself alone', async () => {
    const origin = new FakeOrigin();
    let fetched = 0;
    const credential = { token: () => `token-${(fetched += 1)}`, sharedAs: 'ada' };
    const one = await start({ credential, mode: 'first-message' }, new FakeHost(origin));
    const two = await start({ credential, mode: 'first-message' }, new FakeHost(origin));
    for (const { host } of [one, two]) {
      await host.advance(200);
      host.socket.admit(100_000);
    }
    const before = fetched;
    for (let second = 0; second < 76; second += 1)
      for (const { host } of [one, two]) await host.advance(1_000);
    const token = `token-${before + 1}`;
    expect(fetched).toBe(before + 1);
    for (const { host } of [one, two])
      expect(host.socket.sent).toEqual([{ event: 'auth.refresh', data: { token } }]);
    one.client.close();
    two.client.close();
    expect(origin.openChannels).toBe(0);
  });
});
