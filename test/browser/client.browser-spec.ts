import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/chromium.js';
import { call, connect, gate, kept, WAYS_IN } from '../support/client-pages.js';
import { startClientSite, type ClientSite } from '../support/client-site.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';

describe('the client in Chromium', () => {
  let browser: Browser;
  let context: BrowserContext;
  let site: ClientSite;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    site = await startClientSite(port, { tokens: 0, guestTickets: 0 });
    browser = await chromium.launch(CHROMIUM);
  });
  afterAll(async () => {
    await browser.close();
    await site.app.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  async function openPage(): Promise<Page> {
    const page = await context.newPage();
    await visit(page);
    return page;
  }

  async function visit(page: Page): Promise<void> {
    await page.goto(site.page);
    await page.waitForFunction('document.title === "ready"');
  }

  it.each(WAYS_IN)('is in with %o, and asks', async (options) => {
    const page = await openPage();
    if (options.credential === 'cookie') await call(page, 'post', '/login');
    await connect(page, options);
    expect(await call(page, 'request', 'a', 'echo', 'hi')).toBe('hi');
    expect((await kept(page)).admissions).toHaveLength(1);
  });

  it('shows a token in no URL, whatever the mode', async () => {
    const page = await openPage();
    const urls: string[] = [];
    page.on('websocket', (socket) => urls.push(socket.url()));
    await connect(page, { path: '/bearer', credential: 'token' });
    await connect(page, { path: '/first', credential: 'token', mode: 'first-message' });
    expect(urls.map((url) => url.replace(String(port), 'PORT'))).toEqual([
      'ws://localhost:PORT/bearer',
      'ws://localhost:PORT/first',
    ]);
  });

  it.each([
    [{ path: '/ticket', credential: 'used', mode: 'query' }, 'unauthorized', 4401, 2],
    [{ path: '/first', credential: 'used', mode: 'first-message' }, 'unauthorized', 4401, 2],
    [{ path: '/cookie', credential: 'cookie' }, 'unauthorized', 4401, 2],
    [{ path: '/ticket', credential: 'nobody' }, 'no_credential', undefined, 0],
  ])('stops with a typed reason with %o', async (options, kind, code, attempts) => {
    const page = await openPage();
    let sockets = 0;
    page.on('websocket', () => {
      sockets += 1;
    });
    await call(page, 'open', 'a', options);
    const reason = await call<{ kind: string; close?: { code: number } }>(page, 'closed', 'a');
    expect([reason.kind, reason.close?.code, sockets]).toEqual([kind, code, attempts]);
  });

  it('sees no more than 1006 of a handshake that is refused by status, and tries again', async () => {
    const page = await openPage();
    await call(page, 'open', 'a', { path: '/nowhere', credential: 'cookie' });
    await call(page, 'until', 'a', 'waiting');
    expect(await kept(page)).toMatchObject({ code: 1006, states: ['waiting'] });
  });

  it('comes back after a restart of the server on the same port, each time with a fresh ticket', async () => {
    const page = await openPage();
    await connect(page, { path: '/ticket', credential: 'guest', mode: 'query' });
    const before = site.fetched.guestTickets;
    await site.app.close();
    expect(await call(page, 'until', 'a', 'waiting')).toBe('waiting');
    site = await startClientSite(port, site.fetched);
    await call(page, 'until', 'a', 'open');
    expect(await call(page, 'request', 'a', 'echo', 'back')).toBe('back');
    const { admissions } = await kept(page);
    expect(new Set(admissions.map(({ connectionId }) => connectionId)).size).toBe(2);
    expect(site.fetched.guestTickets).toBeGreaterThan(before);
    // Attempts at a server that is not there fetch in vain: the last ticket is one that the new server issued.
    const used = site.app.events.filter(({ event }) => event === 'authn_login_success');
    expect(used).toHaveLength(1);
  });

  it('fetches a ticket for each of two tabs', async () => {
    const tabs = [await openPage(), await openPage()];
    await call(tabs[0]!, 'post', '/login');
    const tickets: string[] = [];
    for (const tab of tabs) {
      tab.on('websocket', (socket) => tickets.push(new URL(socket.url()).searchParams.get('ticket')!));
      await connect(tab, { path: '/ticket', credential: 'ticket', mode: 'query' });
    }
    expect(tickets.every((ticket) => ticket.startsWith('wst_'))).toBe(true);
    expect(new Set(tickets).size).toBe(2);
    const [one, two] = [await kept(tabs[0]!), await kept(tabs[1]!)];
    expect(one.admissions[0]!.sessionId).toBe(two.admissions[0]!.sessionId);
  });

  it('refreshes the token once for two tabs, ahead of its end', async () => {
    const tabs = [await openPage(), await openPage()];
    for (const tab of tabs) await connect(tab, { path: '/bearer', credential: 'short' });
    const before = site.fetched.tokens;
    for (const tab of tabs) await eventually(async () => (await kept(tab)).admissions.length === 2, 20_000);
    expect(site.fetched.tokens).toBe(before + 1);
    const [one, two] = [await kept(tabs[0]!), await kept(tabs[1]!)];
    expect(one.admissions[1]!.expiresAt).toBe(two.admissions[1]!.expiresAt);
    expect(one.admissions[1]!.expiresAt).toBeGreaterThan(one.admissions[0]!.expiresAt);
    for (const { admissions, states } of [one, two]) {
      expect(admissions[0]!.connectionId).toBe(admissions[1]!.connectionId);
      expect(states).toEqual(['open']);
    }
  });

  it('lets two tabs that ask at the same time share one answer', async () => {
    const tabs = [await openPage(), await openPage()];
    for (const tab of tabs) await connect(tab, { path: '/bearer', credential: 'shared' });
    const before = site.fetched.tokens;
    const { promise, resolve } = gate();
    site.fetched.gate = promise;
    for (const tab of tabs) await call(tab, 'refresh', 'a');
    const waiting = 'navigator.locks.query().then(({ pending }) => pending.length)';
    await eventually(async () => (await tabs[0]!.evaluate(waiting)) === 1);
    resolve();
    for (const tab of tabs) await eventually(async () => (await kept(tab)).admissions.length === 2);
    expect(site.fetched.tokens).toBe(before + 1);
  });

  it('makes a new connection with a fresh ticket after a sleep', async () => {
    const page = await context.newPage();
    await page.clock.install();
    await visit(page);
    await connect(page, { path: '/ticket', credential: 'guest', mode: 'query' });
    const before = site.fetched.guestTickets;
    // The lid is closed for ten minutes: timers fire late, and once.
    await page.clock.fastForward('10:00');
    await eventually(async () => (await kept(page)).admissions.length === 2);
    const { admissions, states } = await kept(page);
    expect(states).toEqual(['open', 'connecting', 'open']);
    expect(admissions[0]!.connectionId).not.toBe(admissions[1]!.connectionId);
    expect(site.fetched.guestTickets).toBe(before + 1);
  });

  it('does so when the page comes back from the back/forward cache', async () => {
    const page = await openPage();
    await connect(page, { path: '/ticket', credential: 'guest', mode: 'query' });
    await page.evaluate('dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))');
    await eventually(async () => (await kept(page)).admissions.length === 2);
  });

  it('asks over the connection whether it is still there when the network is back', async () => {
    const page = await openPage();
    await connect(page, { path: '/first', credential: 'token', mode: 'first-message' });
    await context.setOffline(true);
    await context.setOffline(false);
    await eventually(async () => (await kept(page)).admissions.length >= 2, 10_000);
    expect((await kept(page)).state).toBe('open');
  });

  it('stops in every tab with 4410 when one of them logs out', async () => {
    const tabs = [await openPage(), await openPage()];
    await call(tabs[0]!, 'post', '/login');
    await connect(tabs[0]!, { path: '/ticket', credential: 'ticket' });
    await connect(tabs[1]!, { path: '/cookie', credential: 'cookie' });
    await call(tabs[0]!, 'post', '/ws-auth/logout');
    for (const tab of tabs) {
      expect(await call(tab, 'closed', 'a')).toMatchObject({
        kind: 'revoked',
        close: { code: 4410, word: 'revoked' },
      });
      expect((await kept(tab)).states).toEqual(['open', 'closed']);
    }
  });
});
