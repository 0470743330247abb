import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/chromium.js';
import { startTwoNodes, type TwoNodes } from '../support/redis-two-nodes.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const NAMES = ['A', 'B'] as const;

describe('the page of the two nodes', () => {
  let sample: TwoNodes;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    sample = await startTwoNodes();
    browser = await chromium.launch(CHROMIUM);
  });
  afterAll(async () => {
    await browser.close();
    await sample.stop();
  });
  beforeEach(async () => {
    complaints.length = 0;
    page = await browser.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(sample.originOf('A'));
  });
  afterEach(() => page.close());

  const line = (name: 'A' | 'B', text: string) =>
    page.locator(`#log-${name} li`, { hasText: text }).first().waitFor();
  const texts = (...selectors: string[]) =>
    Promise.all(selectors.map((selector) => page.textContent(selector)));

  async function logIn(username = 'ada'): Promise<void> {
    await page.fill('#username', username);
    await page.click('#enter');
    await page.locator('#user', { hasText: `logged in as ${username}` }).waitFor();
  }

  async function connect(name: 'A' | 'B'): Promise<void> {
    await page.click(`#connect-${name}`);
    // Not the log: what an earlier connection wrote stays in it.
    await page.locator(`#state-${name}`, { hasText: /^connected$/ }).waitFor();
    await line(name, 'auth.ok');
  }

  it('shows both sockets close 4410 at a logout on A, and that both nodes have answered (SE-01)', async () => {
    await logIn();
    for (const name of NAMES) {
      await connect(name);
      await page.click(`#hello-${name}`);
      await line(name, `← {"event":"hello","data":"ada, this is node ${name}"}`);
    }
    expect(await texts('#state-A', '#state-B')).toEqual(['connected', 'connected']);
    await page.click('#logout');
    for (const name of NAMES) await line(name, 'closed 4410 revoked');
    await page.locator('#answer', { hasText: '{ sockets: 2, nodes: 2, pending: 0 }' }).waitFor();
    await page.locator('#user', { hasText: 'logged out' }).waitFor();
    expect(await texts('#state-A', '#state-B', '#user')).toEqual([
      'closed 4410',
      'closed 4410',
      'logged out',
    ]);
    expect(await page.isDisabled('#connect-B')).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('counts the socket on the other node alone when there is no other, and lets one log in again (SE-01)', async () => {
    await logIn('bob');
    await connect('B');
    await page.click('#logout');
    await line('B', 'closed 4410');
    await page.locator('#answer', { hasText: '{ sockets: 1, nodes: 2, pending: 0 }' }).waitFor();
    await logIn('bob');
    await connect('B');
    expect(await texts('#state-B', '#answer')).toEqual(['connected', '']);
    expect(complaints).toEqual([]);
  });

  it('works as well the other way round: served by B, it closes the socket on A (SE-01)', async () => {
    await page.goto(sample.originOf('B'));
    await page.locator('#enter:enabled').waitFor();
    expect(await texts('#who', '#leave')).toEqual([
      '1. Log in at node B, which serves this page',
      '3. Log out at node B',
    ]);
    await logIn('cleo');
    await connect('A');
    await page.click('#logout');
    await line('A', 'closed 4410');
  });

  it('has nothing that axe-core would complain of, and no horizontal scroll at 360 px', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await logIn();
    for (const name of NAMES) await connect(name);
    await page.click('#logout');
    for (const name of NAMES) await line(name, 'closed 4410');
    // The policy of the page allows no script from elsewhere: the DevTools protocol runs this one beside it.
    await page.evaluate(AXE);
    const violations = await page.evaluate(
      'axe.run().then((result) => result.violations.map((violation) => violation.id))',
    );
    expect(violations).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
  });

  it('loads nothing from elsewhere, and may connect to the two nodes only', async () => {
    const urls: string[] = [];
    page.on('request', (request) => urls.push(request.url()));
    const response = await page.goto(sample.originOf('A'));
    await page.locator('#enter:enabled').waitFor();
    expect(urls.map((url) => new URL(url).origin)).toEqual(urls.map(() => sample.originOf('A')));
    const policy = response!.headers()['content-security-policy']!;
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' /);
    const sockets = policy.split("connect-src 'self' ")[1]!.split(' ');
    const { A, B } = sample.ports;
    expect(sockets).toEqual([A, B].flatMap((port) => [`ws://localhost:${port}`, `ws://127.0.0.1:${port}`]));
  });
});
