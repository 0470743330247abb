import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/chromium.js';
import { startQuickStart, type QuickStart } from '../support/quick-start.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe('the page of the quick start', () => {
  let server: QuickStart;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    server = await startQuickStart();
    browser = await chromium.launch(CHROMIUM);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });
  beforeEach(async () => {
    page = await browser.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(server.origin);
  });
  afterEach(() => page.close());

  const logLine = (text: string) => page.locator('#log li', { hasText: text }).first().waitFor();
  // What happens more than once in a test is read from the state: the log keeps the lines of the first time.
  const state = (text: string) => page.locator('#state', { hasText: text }).waitFor();

  async function logInAndConnect(isAdmin = false): Promise<void> {
    if (isAdmin) await page.check('#isAdmin');
    await page.click('text=Log in >> nth=-1');
    await state('logged in as');
    await page.click('#connect');
    await state('connected');
    await logLine('auth.ok');
  }

  async function send(event: string): Promise<void> {
    await page.selectOption('#event', event);
    await page.click('#send');
  }

  it('connects by ticket, talks, logs out, and shows that the socket closed 4410', async () => {
    await logInAndConnect();
    await send('echo');
    await logLine('← {"event":"echo","data":"hello"}');
    await send('whoami');
    await logLine('"id":"ada"');
    await page.click('#logout');
    await logLine('closed 4410 revoked');
    expect(await page.textContent('#state')).toBe('closed 4410');
    expect(complaints).toEqual([]);
  });

  it('lets an admin, and nobody else, call the admin event', async () => {
    await logInAndConnect();
    await send('admin');
    await logLine('"code":"forbidden"');
    await page.click('#logout');
    await logLine('POST /ws-auth/logout → 204');
    await state('closed 4410');
    await logInAndConnect(true);
    await send('admin');
    await logLine('you are an admin');
  });

  it('gives the session cookie the __Host- prefix, out of reach of scripts', async () => {
    await logInAndConnect();
    const cookies = await page.context().cookies();
    expect(cookies).toMatchObject([
      { name: '__Host-sid', httpOnly: true, secure: true, sameSite: 'Strict', path: '/' },
    ]);
    expect(await page.evaluate('document.cookie')).toBe('');
  });

  it('has nothing that axe-core would complain of, and no horizontal scroll at 360 px', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    // The policy of the page allows no script from elsewhere: the DevTools protocol runs this one beside it.
    await page.evaluate(AXE);
    const violations = await page.evaluate(
      'axe.run().then((result) => result.violations.map((violation) => violation.id))',
    );
    expect(violations).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
  });
});
