import type { Browser, BrowserContext, Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call, connect, gate, kept, WAYS_IN } from '../support/client-pages.js';
import { startClientSite, type ClientSite } from '../support/client-site.js';
import { eventually } from '../support/eventually.js';
import { startFirefox } from '../support/firefox.js';
import { freePort } from '../support/free-port.js';

describe('the client in Firefox', () => {
  let browser: Browser;
  let context: BrowserContext;
  let site: ClientSite;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    site = await startClientSite(port, { tokens: 0, guestTickets: 0 });
    browser = await startFirefox();
  });
  afterAll(async () => {
    await browser?.close();
    await site?.app.close();
  });
  beforeEach(async () => {
    context = await browser.createBrowserContext();
  });
  afterEach(() => context.close());

  async function openPage(): Promise<Page> {
    const page = await context.newPage();
    await page.goto(site.page);
    await page.waitForFunction('document.title === "ready"');
    return page;
  }

  it.each(WAYS_IN)('is in with %o, and asks', async (options) => {
    const page = await openPage();
    if (options.credential === 'cookie') await call(page, 'post', '/login');
    await connect(page, options);
    expect(await call(page, 'request', 'a', 'echo', 'hi')).toBe('hi');
  });

  it.each([
    [{ path: '/ticket', credential: 'used', mode: 'query' }, 'unauthorized', 4401],
    [{ path: '/ticket', credential: 'used', mode: 'subprotocol' }, 'unauthorized', 4401],
    [{ path: '/first', credential: 'used', mode: 'first-message' }, 'unauthorized', 4401],
    [{ path: '/cookie', credential: 'cookie' }, 'unauthorized', 4401],
    [{ path: '/ticket', credential: 'nobody' }, 'no_credential', undefined],
  ])('stops with a typed reason with %o', async (options, kind, code) => {
    const page = await openPage();
    await call(page, 'open', 'a', options);
    const reason = await call<{ kind: string; close?: { code: number } }>(page, 'closed', 'a');
    expect([reason.kind, reason.close?.code]).toEqual([kind, code]);
  });

  it('sees no more than 1006 of a handshake that is refused by status, and tries again', async () => {
    const page = await openPage();
    await call(page, 'open', 'a', { path: '/nowhere', credential: 'cookie' });
    await call(page, 'until', 'a', 'waiting');
    expect(await kept(page)).toMatchObject({ code: 1006, states: ['waiting'] });
  });

  it('comes back after a restart of the server on the same port', async () => {
    const page = await openPage();
    await connect(page, { path: '/ticket', credential: 'guest', mode: 'query' });
    await site.app.close();
    expect(await call(page, 'until', 'a', 'waiting')).toBe('waiting');
    site = await startClientSite(port, site.fetched);
    await call(page, 'until', 'a', 'open');
    expect(await call(page, 'request', 'a', 'echo', 'back')).toBe('back');
  });

  it('lets two tabs that refresh at the same time share one token', async () => {
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

  it('makes a new connection when the page comes back from the back/forward cache', async () => {
    const page = await openPage();
    await connect(page, { path: '/ticket', credential: 'guest', mode: 'query' });
    await page.evaluate('dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))');
    await eventually(async () => (await kept(page)).admissions.length === 2);
    expect((await kept(page)).states).toEqual(['open', 'connecting', 'open']);
  });

  it('stops in every tab with 4410 when one of them logs out', async () => {
    const tabs = [await openPage(), await openPage()];
    await call(tabs[0]!, 'post', '/login');
    await connect(tabs[0]!, { path: '/ticket', credential: 'ticket' });
    await connect(tabs[1]!, { path: '/cookie', credential: 'cookie' });
    await call(tabs[0]!, 'post', '/ws-auth/logout');
    for (const tab of tabs)
      expect(await call(tab, 'closed', 'a')).toMatchObject({ kind: 'revoked', close: { code: 4410 } });
  });
});
