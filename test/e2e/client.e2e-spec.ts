import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Client, type ClientOptions, createClient } from '../../lib/client/index.js';
import { ORIGIN, startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';

/** `ws` as a machine would use it: with the header that no browser can set. */
function socketWith(headers: () => Record<string, string>) {
  return class extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { headers: headers() });
    }
  };
}

describe('the client in Node', () => {
  let test: TestApp;
  const clients: Client[] = [];

  beforeAll(async () => {
    test = await startApp({
      gateways: [
        makeChatGateway('/ticket', { credentials: ['ticket'] }),
        makeChatGateway('/bearer', { credentials: ['bearer'] }),
        makeChatGateway('/first', { credentials: ['first-message', 'bearer', 'ticket'] }),
      ],
      options: { handshake: { refuseBrowsersWith: 'close-code' } },
    });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(() => test.discard());

  function start(path: string, options: Omit<ClientOptions, 'url'>): Client {
    const url = `ws://127.0.0.1:${test.port}${path}`;
    const client = createClient({ url, WebSocket: socketWith(() => ({ Origin: ORIGIN })), ...options });
    clients.push(client);
    return client;
  }

  const opened = (client: Client): Promise<void> => eventually(() => client.state === 'open');
  const ticket = async (): Promise<string> =>
    (await test.tickets.issue({ principal: { id: 'grace' } })).ticket;

  it.each(['query', 'subprotocol', 'first-message'] as const)('is in with a ticket by %s', async (mode) => {
    const client = start(mode === 'first-message' ? '/first' : '/ticket', { credential: { ticket }, mode });
    await opened(client);
    expect(await client.request('whoami')).toMatchObject({ id: 'grace' });
  });

  it('is in with a token in the header of every attempt, and needs no Origin', async () => {
    const headers = () => ({ Authorization: `Bearer ${test.token()}` });
    const client = start('/bearer', { credential: 'cookie', WebSocket: socketWith(headers) });
    await opened(client);
    expect(await client.request('whoami')).toMatchObject({ id: 'ada' });
  });

  it.each(['ticket', 'token'] as const)(
    'refreshes with a %s over the connection that it has',
    async (kind) => {
      const lifetime = { exp: Math.floor(Date.now() / 1_000) + 60 };
      let isFirst = true;
      const token = (): string => {
        const claims = isFirst ? lifetime : {};
        isFirst = false;
        return test.token({ sub: 'grace', ...claims });
      };
      const client = start(kind === 'ticket' ? '/ticket' : '/first', {
        credential: kind === 'ticket' ? { ticket } : { token },
        mode: kind === 'ticket' ? 'subprotocol' : 'first-message',
      });
      await opened(client);
      const before = client.admission!;
      const renewed = new Promise<void>((resolve) => client.on('auth.ok', () => resolve()));
      client.refresh();
      await renewed;
      expect(client.admission!.connectionId).toBe(before.connectionId);
      expect(client.admission!.serverTime).toBeGreaterThanOrEqual(before.serverTime);
      if (kind === 'token') expect(client.admission!.expiresAt).toBeGreaterThan(before.expiresAt);
      expect(client.state).toBe('open');
    },
  );

  it('is refused with the code that the application gave', async () => {
    const client = start('/ticket', { credential: { ticket } });
    await opened(client);
    await expect(client.request('admin')).rejects.toMatchObject({
      code: 'refused',
      answer: { code: 'forbidden', event: 'admin' },
    });
    // An unknown event is not repeated: nobody can say whose exception that is.
    const heard = new Promise((resolve) => client.on('exception', ({ code }) => resolve(code)));
    client.send('no-such-event');
    expect(await heard).toBe('unknown_event');
  });

  it('stops with forbidden when a refresh would make somebody else of it', async () => {
    const ids = ['ada', 'bob'];
    const client = start('/bearer', { credential: { token: () => test.token({ sub: ids.shift() }) } });
    await opened(client);
    client.refresh();
    expect(await client.closed).toMatchObject({ kind: 'forbidden', close: { code: 4403 } });
  });

  it('stops with revoked, and names the decision in the audit log', async () => {
    const { session } = await test.sessions.create({ userId: 'ada' });
    const client = start('/ticket', {
      credential: { ticket: async () => (await test.tickets.issue({ session: session.id })).ticket },
    });
    await opened(client);
    await test.sessions.revoke({ session: session.id });
    const reason = await client.closed;
    expect(reason).toMatchObject({ kind: 'revoked', close: { code: 4410, word: 'revoked' } });
    expect(reason.close?.correlationId).toMatch(/^[\w-]{12}$/);
  });
});
