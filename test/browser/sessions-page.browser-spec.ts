import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/chromium.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { startSessionsPage, type SessionsPage } from '../support/sessions-page.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const PHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';
const DESKTOP = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

/** The policy of the page allows no script from elsewhere: the DevTools protocol runs this one beside it. */
async function violations(page: Page): Promise<unknown> {
  await page.evaluate(AXE);
  return page.evaluate(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`,
  );
}

interface RunningSample {
  readonly servers: readonly SessionsPage[];
  stop(): Promise<void>;
}

async function inMemory(): Promise<RunningSample> {
  const server = await startSessionsPage();
  return { servers: [server], stop: async () => void (await server.stop()) };
}

/** Two processes that share a Redis and a secret: a person is here and there at once. */
async function onRedis(): Promise<RunningSample> {
  const redis: RedisServer = await startRedis();
  const env = { REDIS_URL: `redis://127.0.0.1:${redis.port}`, SECRET: 's'.repeat(48) };
  const servers = [await startSessionsPage(env), await startSessionsPage(env)];
  const stop = async (): Promise<void> => {
    for (const server of servers) await server.stop();
    await redis.stop();
  };
  return { servers, stop };
}

describe.each([
  ['in memory', inMemory],
  ['on Redis, two nodes', onRedis],
])('the sessions page, %s', (name, start) => {
  const isAlone = name === 'in memory';
  let sample: RunningSample;
  let browser: Browser;
  const pages: Page[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    sample = await start();
    browser = await chromium.launch(CHROMIUM);
  });
  afterAll(async () => {
    await browser.close();
    await sample.stop();
  });
  /** Nobody is logged in when a test begins. */
  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.context().close()));
    complaints.length = 0;
    const { origin } = sample.servers[0]!;
    const login = await fetch(`${origin}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"username":"root"}',
    });
    const cookie = login.headers.getSetCookie()[0]!.split(';', 1)[0]!;
    for (const id of ['ada', 'bob', 'root']) {
      const ended = await fetch(`${origin}/admin/users/${id}/sessions`, {
        method: 'DELETE',
        headers: { cookie },
      });
      expect(ended.status).toBe(200);
    }
  });

  /** A browser of its own, which has no cookie, at a node. */
  async function open({ at = 0, userAgent = DESKTOP } = {}): Promise<Page> {
    const server = sample.servers[at % sample.servers.length]!;
    const context = await browser.newContext({ userAgent });
    const page = await context.newPage();
    pages.push(page);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // Who asks in the very moment in which the session ends is told so.
      const isOver = message.text().includes('status of 401');
      if (message.type() === 'error' && !isOver) complaints.push(message.text());
    });
    await page.goto(server.origin);
    await page.locator('#log-in:enabled').waitFor();
    return page;
  }

  async function logIn(user: string, where: Parameters<typeof open>[0] = {}): Promise<Page> {
    const page = await open(where);
    await page.selectOption('#username', user);
    await page.click('#log-in');
    await connected(page);
    return page;
  }

  const connected = (page: Page): Promise<void> => page.locator('#state', { hasText: 'connected' }).waitFor();
  const closed = (page: Page): Promise<void> =>
    page.locator('#state', { hasText: 'closed 4410: this session was ended' }).waitFor();
  const own = (page: Page, text?: string): Locator => page.locator('#my-sessions > li', { hasText: text });
  const user = (page: Page, id: string): Locator =>
    page.locator('#users > li').filter({ has: page.getByRole('heading', { name: new RegExp(`^${id} `) }) });
  const shows = (locator: Locator, text: string | RegExp): Promise<void> =>
    locator.filter({ hasText: text }).first().waitFor();
  const wire = (page: Page, text: string | RegExp): Promise<void> =>
    page.locator('#log li', { hasText: text }).first().waitFor();

  it('shows which session is this one, since when it is, and how many sockets each has', async () => {
    const here = await logIn('ada');
    const phone = await logIn('ada', { at: 1, userAgent: PHONE });
    await shows(own(here, 'Firefox on Linux'), '1 live socket');
    await shows(own(here, 'Safari on iOS'), '1 live socket');
    const texts = await own(here).allInnerTexts();
    expect(texts[0]).toMatch(/^Firefox on Linux\s+this one\s+logged in just now, last used just now/);
    expect(texts[1]).toMatch(/^Safari on iOS\s+logged in just now/);
    expect(await own(here).first().getByRole('button').count()).toBe(0);
    expect(await here.isHidden('#everybody')).toBe(true);
    const tab = await phone.context().newPage();
    await tab.goto(phone.url());
    await connected(tab);
    await shows(own(here, 'Safari on iOS'), '2 live sockets');
    await tab.close();
    await shows(own(here, 'Safari on iOS'), '1 live socket');
    await phone.goto('about:blank');
    await shows(own(here, 'Safari on iOS'), 'no socket');
    expect(complaints).toEqual([]);
  });

  it('ends another session from the list, whose page is told 4410 at once (SE-01)', async () => {
    const here = await logIn('ada');
    const phone = await logIn('ada', { at: 1, userAgent: PHONE });
    await own(here, 'Safari on iOS')
      .getByRole('button', { name: /^End: Safari on iOS, logged in/ })
      .click();
    await closed(phone);
    await wire(phone, 'closed 4410 revoked');
    expect(await phone.isVisible('#login')).toBe(true);
    expect(await phone.isVisible('#mine')).toBe(false);
    await own(here, 'Safari on iOS').waitFor({ state: 'detached' });
    await wire(here, /DELETE \/ws-auth\/sessions\/[0-9a-f]{32} → 204/);
    expect(await here.textContent('#state')).toBe('connected');
    await phone.reload();
    await phone.locator('#log-in:enabled').waitFor();
    expect(await phone.textContent('#state')).toBe('logged out');
    expect(complaints).toEqual([]);
  });

  it('ends all sessions but this one', async () => {
    const here = await logIn('ada');
    const others = [
      await logIn('ada', { at: 1, userAgent: PHONE }),
      await logIn('ada', { userAgent: PHONE }),
    ];
    await own(here, 'Safari on iOS').nth(1).waitFor();
    await here.click('#end-others');
    for (const other of others) await closed(other);
    await own(here, 'Safari on iOS').first().waitFor({ state: 'detached' });
    await wire(
      here,
      `DELETE /sessions/others → 200 { sockets: 2, nodes: ${sample.servers.length}, pending: 0 }`,
    );
    await here.locator('#end-others:disabled').waitFor();
    expect(await own(here).count()).toBe(1);
    expect(await here.textContent('#state')).toBe('connected');
    expect(complaints).toEqual([]);
  });

  it('shows an admin the sessions of everybody, and ends one, all but one, and all of a user (SE-01)', async () => {
    const ada = [await logIn('ada'), await logIn('ada', { at: 1, userAgent: PHONE }), await logIn('ada')];
    const bob = await logIn('bob');
    const root = await logIn('root', { at: 1 });
    await shows(user(root, 'ada'), '3 sessions, 3 sockets');
    await shows(user(root, 'bob'), '1 session, 1 socket');
    await shows(user(root, 'cleo'), 'not logged in');
    await user(root, 'ada').getByRole('button', { name: /^End:/ }).nth(2).click();
    await closed(ada[2]!);
    await wire(root, '→ 200 { sockets: 1, nodes');
    await shows(user(root, 'ada'), '2 sessions, 2 sockets');
    await user(root, 'ada')
      .getByRole('button', { name: /^End all but this: Safari on iOS/ })
      .click();
    await closed(ada[0]!);
    await shows(user(root, 'ada'), '1 session, 1 socket');
    expect(await ada[1]!.textContent('#state')).toBe('connected');
    await logIn('ada');
    await shows(user(root, 'ada'), '2 sessions, 2 sockets');
    await user(root, 'ada').getByRole('button', { name: 'End all sessions of ada' }).click();
    await closed(ada[1]!);
    await wire(
      root,
      `DELETE /admin/users/ada/sessions → 200 { sockets: 2, nodes: ${sample.servers.length}, pending: 0 }`,
    );
    await shows(user(root, 'ada'), 'not logged in');
    expect(await bob.textContent('#state')).toBe('connected');
    // Cookies are of a host and know no port: the same session at the other node.
    const tab = await bob.context().newPage();
    await tab.goto(sample.servers.at(-1)!.origin);
    await tab.evaluate('localStorage.setItem("isLoggedIn", "yes")');
    await tab.reload();
    await connected(tab);
    await shows(user(root, 'bob'), isAlone ? /2 live sockets(?! on)/ : '2 live sockets on 2 nodes');
    expect(complaints).toEqual([]);
  });

  it('lets nobody without the role into the API of admins, nor anybody without a session', async () => {
    const ada = await logIn('ada');
    const bob = await logIn('bob');
    const root = await logIn('root');
    const id = await root.evaluate(
      `fetch('/admin/users').then((answer) => answer.json()).then((users) => users[1].sessions[0].id)`,
    );
    expect(id).toMatch(/^[\w-]{16}\.[\w-]{22}$/);
    const requests = [
      ['GET', '/admin/users'],
      ['DELETE', `/admin/sessions/${id}`],
      ['DELETE', '/admin/users/bob/sessions'],
    ];
    const statuses = (page: Page): Promise<unknown> =>
      page.evaluate(
        `Promise.all(${JSON.stringify(requests)}.map(([method, path]) => fetch(path, { method }).then(({ status }) => status)))`,
      );
    expect(await statuses(ada)).toEqual([403, 403, 403]);
    expect(await statuses(await open())).toEqual([401, 401, 401]);
    expect(await bob.textContent('#state')).toBe('connected');
    await shows(user(root, 'bob'), '1 session, 1 socket');
  });

  if (!isAlone) return;

  it('refuses an admin what names no user and no session', async () => {
    const root = await logIn('root');
    const status = (path: string): Promise<unknown> =>
      root.evaluate(`fetch('${path}', { method: 'DELETE' }).then(({ status }) => status)`);
    expect(await status('/admin/users/mallory/sessions')).toBe(404);
    expect(await status('/admin/users/ada/sessions?except=nonsense')).toBe(400);
    expect(await status('/admin/sessions/nonsense')).toBe(400);
  });

  it('has nothing that axe-core would complain of, light and dark, and no horizontal scroll at 360 px', async () => {
    const phone = await logIn('ada', { at: 1, userAgent: PHONE });
    await logIn('ada');
    const root = await logIn('root');
    await shows(user(root, 'ada'), '2 sessions, 2 sockets');
    const out = await open();
    await root.setViewportSize({ width: 360, height: 740 });
    await out.setViewportSize({ width: 360, height: 740 });
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const page of [root, phone, out]) {
        await page.emulateMedia({ colorScheme });
        expect(await violations(page)).toEqual([]);
      }
    }
    for (const page of [root, out])
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
  });

  it('is worked by the keyboard alone, which never loses its place', async () => {
    const phone = await logIn('ada', { at: 1, userAgent: PHONE });
    const here = await open();
    const press = async (...keys: string[]): Promise<void> => {
      for (const key of keys) await here.keyboard.press(key);
    };
    const focused = (): Promise<unknown> =>
      here.evaluate(
        '(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent).trim()',
      );
    await press('Tab');
    expect(await here.evaluate('document.activeElement.id')).toBe('username');
    await press('a', 'Tab', 'Enter');
    await connected(here);
    await own(here, 'Safari on iOS').waitFor();
    await here.locator('#mine-title:focus').waitFor();
    await press('Tab');
    expect(await focused()).toBe('Refresh');
    await press('Tab', 'Tab');
    expect(await focused()).toMatch(/^End: Safari on iOS, logged in/);
    expect(await here.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await press('Enter');
    await closed(phone);
    await own(here, 'Safari on iOS').waitFor({ state: 'detached' });
    // The button is gone: one goes on from the heading of its list.
    expect(await focused()).toBe('Your sessions');
    await press('Shift+Tab');
    expect(await focused()).toBe('Log out');
    await press('Enter');
    await closed(here);
    expect(await focused()).toBe('Log in');
    expect(complaints).toEqual([]);
  });

  it('keeps the focus where it is when the list changes under it', async () => {
    const here = await logIn('ada');
    const phone = await logIn('ada', { at: 1, userAgent: PHONE });
    await own(here, 'Safari on iOS').getByRole('button').focus();
    await phone.goto('about:blank');
    await shows(own(here, 'Safari on iOS'), 'no socket');
    await logIn('ada');
    await own(here).nth(2).waitFor();
    expect(await here.evaluate('document.activeElement.getAttribute("aria-label")')).toMatch(
      /^End: Safari on iOS/,
    );
  });

  it('loads nothing from elsewhere, and may connect to its own server only', async () => {
    const page = await open();
    const urls: string[] = [];
    page.on('request', (request) => urls.push(request.url()));
    const response = await page.reload();
    await page.locator('#log-in:enabled').waitFor();
    const { origin } = new URL(page.url());
    expect(urls.length).toBeGreaterThan(4);
    expect(urls.map((url) => new URL(url).origin)).toEqual(urls.map(() => origin));
    const { port } = new URL(origin);
    expect(response!.headers()['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; " +
        `connect-src 'self' ws://localhost:${port} ws://127.0.0.1:${port}; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });
});
