import { Controller, Get, Header, Inject, Post, Req, Res } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WsSessionCookie, WsSessionService } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { CHROMIUM } from '../support/chromium.js';
import { freePort } from '../support/free-port.js';
import { makeChatGateway } from '../support/gateways.js';

@Controller()
class LoginController {
  constructor(
    @Inject(WsSessionService) private readonly sessions: WsSessionService,
    @Inject(WsSessionCookie) private readonly cookie: WsSessionCookie,
  ) {}

  @Get()
  @Header('Content-Type', 'text/html')
  page(): string {
    return '<!doctype html><html lang="en"><title>page</title></html>';
  }

  @Post('login')
  async login(
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: { header(name: string, value: string): void },
  ): Promise<object> {
    const { token, session } = await this.sessions.create({ userId: 'ada' });
    response.header('Set-Cookie', this.cookie.issue(request, token));
    return { id: session.id };
  }
}

/** What the page does, which docs/guide.md shows. */
const IN_THE_PAGE = `async (host) => {
  const login = await (await fetch('/login', { method: 'POST' })).json();
  const answer = await fetch('/ws-auth/ticket', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"use":"cookie"}',
  });
  const { ticket } = await answer.json();
  const next = (type) =>
    new Promise((resolve) => {
      addEventListener('message', ({ data, origin }) => {
        if (origin === host && data?.type === type) resolve(data);
      });
      setTimeout(() => resolve({}), 3_000);
    });
  const frame = document.createElement('iframe');
  frame.hidden = true;
  const ready = next('ws-auth.ready');
  frame.src = host + '/ws-auth/cookie-frame';
  document.documentElement.append(frame);
  await ready;
  const answered = next('ws-auth.cookie');
  frame.contentWindow.postMessage({ type: 'ws-auth.cookie', ticket }, host);
  const { ok } = await answered;
  const socket = new WebSocket(host.replace('http', 'ws') + '/ws', ['ws-auth.v1']);
  const first = await new Promise((resolve) => {
    socket.onmessage = ({ data }) => resolve(JSON.parse(data));
    socket.onclose = ({ code }) => resolve({ code });
  });
  socket.close();
  return { ok, session: login.id, first };
}`;

/** Two sites: `localhost`, where the login is, and `127.0.0.1`, where the gateway is. Neither sends cookies of the other. */
describe('the cookie of another site', () => {
  let test: TestApp;
  let browser: Browser;
  let page: Page;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    test = await startApp({
      gateways: [makeChatGateway('/ws', { credentials: ['cookie'] })],
      options: { origins: [`http://localhost:${port}`], controller: true },
      module: { controllers: [LoginController] },
      port,
      host: '0.0.0.0',
    });
    browser = await chromium.launch(CHROMIUM);
  });
  afterAll(async () => {
    await browser.close();
    await test.discard();
  });
  beforeEach(async () => {
    await page?.close();
    page = await (await browser.newContext()).newPage();
  });

  const run = (gateway: string): Promise<Record<string, unknown>> =>
    page.evaluate(`(${IN_THE_PAGE})(${JSON.stringify(gateway)})`);

  it('is set by the hidden iframe for a ticket, and opens a socket there', async () => {
    await page.goto(`http://localhost:${port}/`);
    const { ok, session, first } = await run(`http://127.0.0.1:${port}`);
    expect(ok).toBe(true);
    expect(first).toMatchObject({ event: 'auth.ok', data: { sessionId: session } });
    const cookies = await page.context().cookies(`http://127.0.0.1:${port}`);
    expect(cookies).toMatchObject([{ name: '__Host-sid', httpOnly: true, secure: true, sameSite: 'None' }]);
  });

  it('is set for no page of an origin that is not listed: the frame does not load there (TK-07)', async () => {
    await page.goto(`http://127.0.0.1:${port}/`);
    const { ok } = await run(`http://localhost:${port}`);
    expect(ok).toBeUndefined();
    expect(await page.context().cookies(`http://localhost:${port}`)).toEqual([]);
  });
});
