import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';

const PYTHON = '/usr/bin/python3';
const CLIENT = fileURLToPath(new URL('../python/machine_client.py', import.meta.url));

/** The second for the URL: this library does not decode what is escaped there. */
const PASSWORDS: Readonly<Record<string, string>> = { robot: 'pass:wörd', printer: 'pass-word' };

/** What the client is to do. */
interface Order {
  readonly path: string;
  /** `user:password` in the URL. */
  readonly user?: string;
  readonly headers?: Record<string, string>;
  readonly subprotocols?: readonly string[];
  readonly auth?: Record<string, string>;
}

describe("a machine with Python's websockets", () => {
  let test: TestApp;

  beforeAll(async () => {
    try {
      execFileSync(PYTHON, ['-c', 'import websockets'], { stdio: 'ignore' });
    } catch {
      throw new Error(`no websockets for ${PYTHON}; install it: sudo apt-get install -y python3-websockets`);
    }
    test = await startApp({
      gateways: [
        makeChatGateway('/basic', { credentials: ['basic'] }),
        makeChatGateway('/bearer', { credentials: ['bearer'] }),
        makeChatGateway('/ticket', { credentials: ['ticket'] }),
        makeChatGateway('/first', { credentials: ['first-message', 'bearer', 'ticket'] }),
      ],
      options: {
        credentials: ['basic', 'bearer', 'ticket', 'first-message'],
        basic: {
          verify: (user, password) =>
            PASSWORDS[user] === password ? { id: user, roles: ['machine'] } : null,
        },
      },
    });
  });
  afterAll(() => test?.discard());

  async function run({ path, user, ...rest }: Order): Promise<unknown> {
    const uri = `ws://${user ? `${user}@` : ''}127.0.0.1:${test.port}${path}`;
    const child = spawn(PYTHON, [CLIENT], { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let complaints = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
    child.stdin.end(`${JSON.stringify({ uri, ...rest })}\n`);
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`the Python client ended with ${code}:\n${complaints}`);
    return JSON.parse(output);
  }

  const ticketFor = async (path: string): Promise<string> =>
    (await test.tickets.issue({ principal: { id: 'grace' }, path })).ticket;

  it('connects with Basic, from the header and from the URL', async () => {
    const basic = Buffer.from('robot:pass:wörd').toString('base64');
    expect(await run({ path: '/basic', headers: { Authorization: `Basic ${basic}` } })).toMatchObject({
      subprotocol: null,
      events: [],
      principal: { id: 'robot', roles: ['machine'] },
    });
    expect(await run({ path: '/basic', user: 'printer:pass-word' })).toMatchObject({
      principal: { id: 'printer' },
    });
  });

  it('connects with Bearer', async () => {
    const headers = { Authorization: `Bearer ${test.token()}` };
    expect(await run({ path: '/bearer', headers })).toMatchObject({ principal: { id: 'ada' } });
  });

  it('connects with a ticket, in the query and as a subprotocol', async () => {
    expect(await run({ path: `/ticket?ticket=${await ticketFor('/ticket')}` })).toMatchObject({
      principal: { id: 'grace' },
    });
    const subprotocols = ['ws-auth.v1', `ticket.ws-auth.${await ticketFor('/ticket')}`];
    expect(await run({ path: '/ticket', subprotocols })).toMatchObject({
      subprotocol: 'ws-auth.v1',
      events: ['auth.ok'],
      principal: { id: 'grace' },
    });
  });

  it('connects with a first message, of a token and of a ticket', async () => {
    for (const [auth, id] of [
      [{ token: test.token() }, 'ada'],
      [{ ticket: await ticketFor('/first') }, 'grace'],
    ] as const)
      expect(await run({ path: '/first', auth })).toMatchObject({
        events: ['auth.required', 'auth.ok'],
        principal: { id },
      });
  });

  it('is told by status, or by close code after a first message, that a credential is not good', async () => {
    const basic = Buffer.from('robot:wrong').toString('base64');
    expect(await run({ path: '/basic', headers: { Authorization: `Basic ${basic}` } })).toEqual({
      status: 401,
    });
    expect(await run({ path: '/bearer', headers: { Authorization: 'Bearer a.b.c' } })).toEqual({
      status: 401,
    });
    const ticket = await ticketFor('/ticket');
    await run({ path: `/ticket?ticket=${ticket}` });
    expect(await run({ path: `/ticket?ticket=${ticket}` })).toEqual({ status: 401 });
    expect(await run({ path: '/first', auth: { token: 'a.b.c' } })).toMatchObject({
      closed: 4401,
      reason: expect.stringMatching(/^unauthorized;id=/) as string,
    });
  });
});
