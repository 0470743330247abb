import { describe, expect, it } from 'vitest';
import type { ClientError, ClientOptions, DropReason } from '../../lib/client/index.js';
import { startClient } from '../../lib/client/start-client.js';
import { FakeHost, settled } from './support/fake-host.js';

async function start(options: Partial<ClientOptions> = {}, host = new FakeHost()) {
  const client = startClient(host, { url: 'wss://api.example/chat', credential: 'cookie', ...options });
  await settled();
  return { host, client };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: ClientError) => error.code ?? error.message);

describe('the client in adversity', () => {
  it('counts a connection that was good before a sleep as a success', async () => {
    const { host, client } = await start({ maxAttempts: 2 });
    host.socket.end(1006);
    await host.advance(1_000);
    host.socket.admit();
    await host.advance(10_000);
    host.sleep(600_000);
    await host.advance(0);
    host.socket.end(1006);
    expect(client.state).toBe('waiting');
  });

  it('does not wait longer than the server asked when the machine slept meanwhile', async () => {
    const { host, client } = await start();
    host.socket.end(1013, 'try_later;retry=3600000');
    host.sleep(3_599_000);
    await host.show('visible');
    expect(client.state).toBe('waiting');
    host.sleep(1_000);
    await host.show('visible');
    expect(client.state).toBe('connecting');
  });

  it('stops when it is asked for a credential and has only a cookie, which is of no session', async () => {
    const { host, client } = await start();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      host.socket.open();
      host.socket.receive('auth.required', { timeoutMs: 5_000, methods: ['bearer'] });
      await host.advance(0);
    }
    expect([client.status.kind, host.sockets.length, host.waiting]).toEqual(['unauthorized', 2, 0]);
  });

  it('comes back after idle_timeout where there is no page to look at', async () => {
    const page = new FakeHost();
    const process = Object.create(page, {
      globals: { get: () => ({ ...page.globals, document: undefined }) },
    }) as FakeHost;
    const client = startClient(
      { now: () => page.now(), random: () => 0, after: page.after.bind(page), globals: process.globals },
      { url: 'wss://api.example/chat', credential: 'cookie' },
    );
    await settled();
    page.socket.admit();
    page.socket.end(4408, 'idle_timeout');
    await page.advance(1_000);
    expect([client.state, page.sockets.length]).toEqual(['connecting', 2]);
  });

  it('tries again at once, and with a fresh credential, when the application says refresh', async () => {
    const stale: boolean[] = [];
    const credential = { ticket: ({ isStale }: { isStale: boolean }) => (stale.push(isStale), 'wst_1') };
    const { host, client } = await start({ credential });
    host.chance = 0.99;
    for (let failure = 0; failure < 6; failure += 1) {
      host.socket.end(1006);
      await host.advance(30_000);
    }
    host.socket.end(1006);
    await host.advance(1_000);
    const { length } = host.sockets;
    client.refresh();
    await settled();
    expect([host.sockets.length, stale.at(-1)]).toEqual([length + 1, true]);
    host.socket.end(1013, 'try_later;retry=60000');
    client.refresh();
    client.close();
    client.refresh();
    await host.advance(120_000);
    expect(host.sockets).toHaveLength(length + 1);
  });

  it('does not ask again and again at one pace for a refresh that fails', async () => {
    let calls = 0;
    const token = (): string => {
      calls += 1;
      if (calls > 1) throw new Error('503');
      return 'token';
    };
    const { host, client } = await start({ credential: { token } });
    host.socket.admit(36_000_000);
    client.refresh();
    await host.advance(3_600_000);
    expect(calls).toBeGreaterThan(5);
    expect(calls).toBeLessThan(20);
  });

  it.each([
    { expiresAt: null, serverTime: 5_000_000 },
    { expiresAt: 1, serverTime: 5_000_000 },
    { expiresAt: 'x', serverTime: 1 },
    null,
  ])('does not refresh in a loop after auth.ok with %j', async (data) => {
    const { host } = await start({ credential: { token: () => 'token' } });
    host.socket.open();
    host.socket.receive('auth.ok', data);
    await host.advance(60_000);
    expect(host.socket.sent).toEqual([]);
  });

  it.each([-1, 0, 'soon', null, 1e300])(
    'survives a rate notice with retryAfterMs %j',
    async (retryAfterMs) => {
      const { host, client } = await start({ credential: { token: () => 'token' } });
      host.socket.admit();
      client.refresh();
      await settled();
      host.socket.receive('rate', { name: 'refresh', retryAfterMs });
      await host.advance(999);
      expect(host.sockets[0]!.sent).toHaveLength(1);
      await host.advance(600_000);
      expect(host.sockets[0]!.sent).toHaveLength(2);
    },
  );

  it('fails the request whose matcher throws, and no other', async () => {
    const { host, client } = await start();
    host.socket.admit();
    const match = (data: unknown): boolean => (data as { id: number }).id === 1;
    const bad = codeOf(client.request('get', 1, { match }));
    const good = client.request('get', 2, { match: (data) => data === null });
    host.socket.receive('get', null);
    expect(await good).toBeNull();
    expect(await bad).toMatch(/null/);
  });

  it('is open though onDrop throws, and closed when onDrop closes it', async () => {
    const seen: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => seen.push(error.message));
    const { host, client } = await start({
      maxQueuedBytes: 100,
      onDrop: () => {
        throw new Error('dropped');
      },
    });
    host.socket.admit(60_000, 'one');
    host.socket.end(1006);
    client.send('a');
    await host.advance(1_000);
    host.socket.admit(60_000, 'two');
    await settled();
    for (const listener of listeners) process.on('uncaughtException', listener);
    expect([client.state, seen]).toEqual(['open', ['dropped']]);

    const other = await start({ maxQueuedBytes: 100, onDrop: () => other.client.close() });
    other.host.socket.admit(60_000, 'one');
    other.host.socket.end(1006);
    other.client.send('a');
    await other.host.advance(1_000);
    other.host.socket.admit(60_000, 'two');
    expect([other.client.state, other.host.waiting]).toEqual(['closed', 0]);
  });

  it('tells of messages that wait when it stops', async () => {
    const dropped: DropReason[] = [];
    const { client } = await start({ maxQueuedBytes: 100, onDrop: (reason) => dropped.push(reason) });
    client.send('a');
    client.close();
    expect(dropped).toEqual(['closed']);
  });

  it('sends no request of one session in another, though it waited behind one that was dropped', async () => {
    const { host, client } = await start({ maxQueuedBytes: 1_000 });
    host.socket.admit(60_000, 'one');
    host.socket.end(1006);
    const answers = [client.request('a', 1), client.request('a', 2)].map(codeOf);
    await host.advance(1_000);
    host.socket.admit(60_000, 'two');
    expect(await Promise.all(answers)).toEqual(['other_session', 'other_session']);
    host.socket.end(1006);
    await host.advance(1_000);
    host.socket.admit(60_000, 'two');
    expect(host.socket.sent).toEqual([]);
  });

  it('tells a callback that is under way when it is closed, and leaves no timer', async () => {
    let signal: AbortSignal | undefined;
    const ticket = (request: { signal: AbortSignal }): Promise<string> => {
      signal = request.signal;
      return new Promise(() => {});
    };
    const { host, client } = await start({ credential: { ticket } });
    client.close();
    await settled();
    expect([signal?.aborted, host.waiting]).toEqual([true, 0]);
  });

  it('tells nothing more when a listener of the state has closed it', async () => {
    const { host, client } = await start();
    const seen: unknown[] = [];
    client.on('auth.ok', (data) => seen.push(data));
    client.onStatus(({ state }) => state === 'open' && client.close());
    host.socket.admit();
    expect([client.state, seen]).toEqual(['closed', []]);
  });

  it('takes an error before 101 for the end, which is all that a WebSocket of Node tells', async () => {
    const { host, client } = await start();
    host.socket.fail();
    expect(client.status).toMatchObject({ state: 'waiting', close: { code: 1006 } });
  });

  it('offers a protocol that is a text, and none twice', async () => {
    expect((await start({ protocols: 'chat.v2' })).host.socket.protocols).toEqual(['chat.v2', 'ws-auth.v1']);
    expect((await start({ protocols: ['ws-auth.v1'] })).host.socket.protocols).toEqual(['ws-auth.v1']);
  });

  it('takes handlers of events that are names of every object', async () => {
    const { host, client } = await start();
    const seen: string[] = [];
    host.socket.admit();
    for (const event of ['constructor', 'toString', '__proto__']) {
      host.socket.receive(event, 'unheard');
      client.on(event, () => seen.push(event));
      host.socket.receiveRaw(`{"event":"${event}","data":{"__proto__":{"polluted":true}}}`);
    }
    expect(seen).toEqual(['constructor', 'toString', '__proto__']);
    expect({}).not.toHaveProperty('polluted');
  });

  it.each([undefined, null, {}, 'cookies', { ticket: 'wst_1' }])(
    'refuses the credential %j',
    (credential) => {
      const options = { url: 'wss://api.example/', credential } as unknown as ClientOptions;
      expect(() => startClient(new FakeHost(), options)).toThrow('credential: none');
    },
  );
});
