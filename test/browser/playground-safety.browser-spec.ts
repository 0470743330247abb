import { request } from 'node:http';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/chromium.js';
import { eventually } from '../support/eventually.js';
import { browsePlayground, type PlaygroundBrowser } from '../support/playground-browser.js';
import { pageIsReady, tryEverything } from '../support/playground-page.js';
import { startPlayground, type Playground } from '../support/playground.js';
import { handshakeBytes, RawClient } from '../support/raw-client.js';

describe('the safety of the playground', () => {
  let playground: Playground;
  let browser: Browser;
  let stop: PlaygroundBrowser['stop'];
  let page: Page;
  /** By which name the page looks at the server. */
  let viewer: string;

  beforeAll(async () => {
    ({ playground, browser, stop } = await browsePlayground());
  });
  afterAll(() => stop());
  beforeEach(async () => {
    page = await (await browser.newContext()).newPage();
    page.on('request', (sent) => {
      viewer = new URL(sent.url()).searchParams.get('viewer') ?? viewer;
    });
  });
  afterEach(() => page.context().close());

  async function open(): Promise<void> {
    await page.goto(playground.url);
    await pageIsReady(page);
  }

  describe('its policy', () => {
    it('is strict, and nothing on the page offends against it', async () => {
      const complaints: string[] = [];
      const urls: string[] = [];
      page.on('request', (sent) => urls.push(sent.url()));
      page.on('console', (message) => complaints.push(message.text()));
      await page.addInitScript(
        `addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
           console.log('violation of ' + violatedDirective + ' by ' + blockedURI))`,
      );
      const response = await page.goto(playground.url);
      await pageIsReady(page);
      await tryEverything(page);
      const policy = response!.headers()['content-security-policy']!;
      expect(policy).not.toContain('unsafe');
      expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; /);
      for (const rest of ["frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"])
        expect(policy).toContain(rest);
      expect(complaints.filter((text) => /violation|Content.Security/i.test(text))).toEqual([]);
      const { port } = new URL(playground.url);
      const hosts = new Set(urls.map((url) => new URL(url).hostname));
      expect([...hosts].sort()).toEqual(['127.0.0.1', 'localhost']);
      const scripts = urls.filter((url) => /\.(js|css|svg)$/.test(url) && !url.includes('/foreign.'));
      expect(scripts.length).toBeGreaterThan(8);
      for (const url of scripts) expect(new URL(url).host).toBe(`localhost:${port}`);
    });

    it('lets no text become markup, and no style in an attribute', async () => {
      await open();
      const attempt = (script: string): Promise<unknown> =>
        page.evaluate(`(() => { try { ${script}; return 'done'; } catch (error) { return error.name; } })()`);
      expect(await attempt(`document.body.innerHTML = '<b>x</b>'`)).toBe('TypeError');
      await page.evaluate(`document.body.setAttribute('style', 'margin: 99px')`);
      expect(await page.evaluate('getComputedStyle(document.body).margin')).toBe('0px');
    });

    it('shows a name of markup as text', async () => {
      await open();
      await page.fill('#username', '<img/src=x>');
      await page.click('#enter');
      await page.locator('#user', { hasText: 'logged in as <img/src=x>' }).waitFor();
      expect(await page.locator('#user img').count()).toBe(0);
    });
  });

  describe('secrets', () => {
    it('stand neither on the page nor in what the server tells it nor in the log (TK-08, CR-02)', async () => {
      await open();
      const secrets: string[] = [];
      page.on('response', async (response) => {
        if (!/\/(lab\/token|ws-auth\/ticket)$/.test(response.url())) return;
        const { token, ticket } = (await response.json()) as { token?: string; ticket?: string };
        secrets.push((token ?? ticket)!);
      });
      const told = await listen(viewer);
      await tryEverything(page);
      for (const { value } of await page.context().cookies()) secrets.push(value);
      expect(secrets.length).toBeGreaterThan(15);
      expect(told.text()).toContain('authn_login_success');
      const html = (await page.evaluate('document.documentElement.outerHTML')) as string;
      told.stop();
      for (const place of [html, told.text(), playground.output()]) {
        for (const secret of secrets) expect(place.includes(secret)).toBe(false);
        expect(/wst_[\w-]{4}|eyJ[\w-]{8,}\.[\w-]|Basic [A-Za-z0-9+/]{12}/.exec(place)?.[0]).toBeUndefined();
      }
    });

    it('are taken out of a handshake wherever they stand in it', async () => {
      await open();
      const told = await listen('abcdef012345');
      const { host, port } = new URL(playground.url);
      const client = await RawClient.connect(Number(port));
      client.write(
        handshakeBytes({
          target:
            '/ticket?try=abcdef012345.1&room=7&Ticket=CANARY1&access_token=CANARY2&%74oken=CANARY8&CANARY9',
          headers: {
            Host: host,
            Origin: playground.url,
            Authorization: 'Bearer CANARY3',
            Cookie: '__Host-sid=CANARY4; other=CANARY5; CANARY10',
            'Sec-WebSocket-Protocol': 'ws-auth.v1, ticket.ws-auth.CANARY6, base64url.bearer.ws-auth.CANARY7',
          },
        }),
      );
      await eventually(() => told.text().includes('"kind":"audit"'));
      told.stop();
      client.destroy();
      expect(told.text()).toContain(
        'GET /ticket?room=•••&Ticket=•••&access_token=•••&%74oken=•••&••• HTTP/1.1',
      );
      expect(told.text()).toContain('Cookie: __Host-sid=•••; other=•••; •••');
      expect(told.text()).toContain('ws-auth.v1, ticket.ws-auth.•••, base64url.bearer.ws-auth.•••');
      expect(told.text()).not.toContain('CANARY');
      expect(playground.output()).not.toContain('CANARY');
    });

    /** Looks on as another program would that knows the name of a viewer. */
    async function listen(viewer: string): Promise<{ text(): string; stop(): void }> {
      const abort = new AbortController();
      const response = await fetch(`${playground.url}/lab/wire?viewer=${viewer}`, { signal: abort.signal });
      let text = '';
      const read = async (): Promise<void> => {
        for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
      };
      read().catch(() => {});
      return { text: () => text, stop: () => abort.abort() };
    }
  });

  describe('its server', () => {
    const answer = (method: string, path: string, headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const { port, host } = new URL(playground.url);
        const options = { host: '127.0.0.1', port, method, path, headers: { host, ...headers } };
        request(options, (response) => {
          response.destroy();
          resolve(response.statusCode!);
        })
          .on('error', reject)
          .end();
      });

    it('does nothing for pages of other origins, and for names that are not its own', async () => {
      for (const [method, path] of [
        ['POST', '/login'],
        ['POST', '/lab/machine'],
        ['POST', '/lab/forget-cookie'],
        ['GET', '/lab/wire?viewer=abcdef012345'],
        ['GET', '/lab/settings'],
      ] as const) {
        expect(await answer(method, path, { origin: 'http://evil.example' }), path).toBe(403);
        expect(await answer(method, path, { host: 'evil.example' }), path).toBe(403);
      }
      expect(await answer('GET', '/lab/settings', { origin: playground.url })).toBe(200);
    });

    it('takes no attempt and no viewer of another form', async () => {
      expect(await answer('GET', '/lab/wire?viewer=.*', {})).toBe(400);
      expect(await answer('GET', '/lab/wire', {})).toBe(400);
      for (const path of ['/page/index.html', '/page/..%2fmain.js', '/page/foreign.html'])
        expect(await answer('GET', path, {}), path).toBe(404);
    });
  });
});

describe('the playground, as a process', () => {
  it('ends at once when it is asked to, pages and sockets or not', async () => {
    const playground = await startPlayground();
    const browser = await chromium.launch(CHROMIUM);
    const page = await browser.newPage();
    await page.goto(playground.url);
    await pageIsReady(page);
    await page.evaluate(`new Promise((resolve) => {
      const socket = new WebSocket('ws://' + location.host + '/first-message');
      socket.addEventListener('open', resolve);
    })`);
    expect(await playground.stop()).toBe(0);
    await browser.close();
  });

  it('says which port is taken, and ends', async () => {
    const first = await startPlayground();
    const { port } = new URL(first.url);
    await expect(startPlayground({ PORT: port })).rejects.toThrow(
      new RegExp(`ended with 1:\\nlisten EADDRINUSE: address already in use 127.0.0.1:${port}`),
    );
    await first.stop();
  });
});
