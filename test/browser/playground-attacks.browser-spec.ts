import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browsePlayground, type PlaygroundBrowser } from '../support/playground-browser.js';
import { pageIsReady, runCard, type ShownStep } from '../support/playground-page.js';
import type { Playground } from '../support/playground.js';

describe('the attacks of the playground, in Chromium', () => {
  let playground: Playground;
  let browser: Browser;
  let stop: PlaygroundBrowser['stop'];
  let page: Page;
  let foreignPort: number;

  beforeAll(async () => {
    ({ playground, browser, stop } = await browsePlayground());
    page = await (await browser.newContext()).newPage();
    await page.goto(playground.url);
    await pageIsReady(page);
    const settings = await (await fetch(`${playground.url}/lab/settings`)).json();
    foreignPort = (settings as { ports: { foreign: number } }).ports.foreign;
  });
  afterAll(() => stop());

  const run = (id: string): Promise<readonly ShownStep[]> => runCard(page, `attack-${id}`);
  const own = (): string => `Origin ${playground.url}`;

  it('stops a page of another site, which has no cookie, and one of the same site, which has (OR-01, OR-06, CK-01)', async () => {
    expect(await run('cross-site')).toEqual([
      {
        badge: 'stopped 403',
        browser: 'the foreign page sees 1006, and no word of why',
        server: [
          [`Origin http://127.0.0.1:${foreignPort}`, 'no cookie', '→ malicious_csrf: origin_not_allowed'],
        ],
      },
      {
        badge: 'stopped 403',
        browser: 'the foreign page sees 1006, and no word of why',
        server: [
          [
            `Origin http://localhost:${foreignPort}`,
            'Cookie: __Host-sid=•••',
            '→ malicious_csrf: origin_not_allowed',
          ],
        ],
      },
    ]);
    const frame = page.frames().find((candidate) => candidate.url().includes('/foreign.html'));
    expect(await frame!.textContent('#result')).toBe('was not let in: 1006.');
  });

  it('lets the owner of a ticket in, and not who uses it a second time (TK-02)', async () => {
    const ticket = [own(), 'ticket in the query', 'no cookie'];
    expect(await run('replay')).toEqual([
      {
        badge: 'stopped 4401',
        browser: 'closed 4401 unauthorized',
        server: [
          [...ticket, '→ authn_login_success'],
          [...ticket, '→ authn_token_reuse: ticket_replayed'],
        ],
      },
    ]);
  });

  it('refuses a stolen ticket on another path, and then everywhere (TK-04, TK-05)', async () => {
    const ticket = [own(), 'ticket in the query', 'no cookie'];
    expect(await run('another-path')).toEqual([
      {
        badge: 'stopped 4401',
        browser: 'closed 4401 unauthorized',
        server: [[...ticket, '→ authn_login_fail: ticket_mismatch_path']],
      },
      {
        badge: 'stopped 4401',
        browser: 'closed 4401 unauthorized',
        server: [[...ticket, '→ authn_token_reuse: ticket_replayed']],
      },
    ]);
  });

  it('refuses an expired token, and closes the socket of one that expires (JW-02, JW-06)', async () => {
    const token = [own(), 'bearer in a subprotocol', 'no cookie'];
    expect(await run('expired')).toEqual([
      {
        badge: 'stopped 4401',
        browser: 'closed 4401 unauthorized',
        server: [[...token, '→ authn_login_fail: token_expired']],
      },
      {
        badge: 'stopped 4419',
        browser: 'open, then closed 4419 expired',
        server: [[...token, '→ authn_login_success']],
      },
    ]);
  });

  it('warns, then closes, who floods, and serves another socket of the same user (TH-02)', async () => {
    const [flood, other] = await run('flood');
    expect(flood!.badge).toBe('stopped 4429');
    const [, sent, answered] =
      /^(\d+) sent, (\d+) answered, \d+ refused, closed 4429 after \d+ ms$/.exec(flood!.browser) ?? [];
    expect(Number(answered)).toBeLessThan(Number(sent));
    expect(flood!.server[0]!.at(-1)).toContain('excess_rate_limit_exceeded: message_rate:connection');
    expect(other).toMatchObject({ badge: 'let in', browser: 'open, with ws-auth.v1, and answered' });
  });

  it('closes three sockets 4410 when the session is ended from elsewhere, and its token with it (SE-01, TK-06)', async () => {
    const [ended, after] = await run('elsewhere');
    expect(ended!.badge).toBe('stopped 4410');
    expect(ended!.browser).toMatch(/^three open, then closed 4410, 4410, 4410, after \d+ ms$/);
    expect(ended!.server.map((parts) => parts.at(-1))).toEqual([
      '→ authn_login_success',
      '→ authn_login_success',
      '→ authn_login_success',
    ]);
    expect(after).toEqual({
      badge: 'stopped 4401',
      browser: 'closed 4401 unauthorized',
      server: [[own(), 'no cookie', '→ session_use_after_expire: session_unknown']],
    });
    const lines = await page.$$eval('#attack-elsewhere .lines span', (all) =>
      all.map(({ textContent }) => textContent),
    );
    expect(lines).toContain('another device: POST /login → 204');
    expect(lines.filter((line) => /ended_by_user/.test(line!)).length).toBeGreaterThanOrEqual(3);
    expect(await page.textContent('#user')).toBe('the session was ended');
  });

  it('logs in again by itself for the next try, and shows nothing of it to another tab', async () => {
    const tab = await page.context().newPage();
    await tab.goto(playground.url);
    await pageIsReady(tab);
    expect(await run('replay')).toMatchObject([{ badge: 'stopped 4401' }]);
    expect(await page.textContent('#user')).toBe('logged in as ada');
    const seen = await tab.$$eval('.lines li', (all) => all.length);
    expect(seen).toBe(0);
    await tab.close();
  });

  it('names requirements that the documentation has', async () => {
    const ids = await page.$$eval('.attack .tag', (all) => all.map(({ textContent }) => textContent));
    const table = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
    expect(ids.length).toBeGreaterThan(10);
    for (const id of ids) expect(table).toContain(`| ${id} |`);
  });
});
