import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { browsePlayground, type PlaygroundBrowser } from '../support/playground-browser.js';
import { cardIsIdle, pageIsReady, readSteps, runCard, tryEverything } from '../support/playground-page.js';
import type { Playground } from '../support/playground.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What has the keyboard, and whether one can see that. */
const FOCUSED = `(() => {
  const active = document.activeElement;
  const shown = active.type === 'radio' ? active.nextElementSibling : active;
  const { outlineStyle, outlineWidth } = getComputedStyle(shown);
  return {
    name: active.getAttribute('aria-label') ?? active.id + (active.id ? '' : (active.value ?? active.textContent)),
    isVisible: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
  };
})()`;

describe('the page of the playground', () => {
  let playground: Playground;
  let browser: Browser;
  let stop: PlaygroundBrowser['stop'];
  let page: Page;

  beforeAll(async () => {
    ({ playground, browser, stop } = await browsePlayground());
  });
  afterAll(() => stop());
  afterEach(() => page.context().close());

  async function open(options: BrowserContextOptions = {}): Promise<void> {
    page = await (await browser.newContext(options)).newPage();
    await page.goto(playground.url);
    await pageIsReady(page);
  }

  /** The policy of the page allows no script from elsewhere: the DevTools protocol runs this one beside it. */
  async function violations(): Promise<unknown> {
    await page.evaluate(AXE);
    return page.evaluate(
      `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`,
    );
  }

  describe('accessibility', () => {
    it.each(['light', 'dark'] as const)(
      'axe-core finds no violation, %s, before and after everything was tried',
      async (colorScheme) => {
        await open({ colorScheme });
        expect(await violations()).toEqual([]);
        await tryEverything(page);
        expect(await violations()).toEqual([]);
      },
    );

    it.each(['light', 'dark'] as const)(
      'nor where one has chosen the other scheme than %s',
      async (colorScheme) => {
        await open({ colorScheme });
        const other = colorScheme === 'light' ? 'dark' : 'light';
        const before = await page.evaluate('getComputedStyle(document.body).backgroundColor');
        await page.locator(`input[value="${other}"]`).check({ force: true });
        expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).not.toBe(before);
        expect(await violations()).toEqual([]);
        await page.reload();
        await pageIsReady(page);
        expect(await page.isChecked(`input[value="${other}"]`)).toBe(true);
        expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).not.toBe(before);
      },
    );

    it('nothing scrolls sideways at 360 px, and at 320, with everything open', async () => {
      await open({ viewport: { width: 360, height: 740 } });
      await tryEverything(page);
      for (const width of [360, 320]) {
        await page.setViewportSize({ width, height: 740 });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
        const clipped = await page.$$eval('.scroll', (all) =>
          all.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth),
        );
        expect(clipped).toEqual([]);
      }
      expect(await violations()).toEqual([]);
    });
  });

  describe('the keyboard', () => {
    it('goes through everything in the order in which it is read, and shows where it is', async () => {
      await open();
      const path: string[] = [];
      for (;;) {
        await page.keyboard.press('Tab');
        const { name, isVisible } = (await page.evaluate(FOCUSED)) as { name: string; isVisible: boolean };
        expect(isVisible, name).toBe(true);
        path.push(name);
        if (name === 'Try it: Ended from elsewhere' || path.length > 100) break;
      }
      expect(path.slice(0, 5)).toEqual(['Skip to the experiment', 'auto', 'run-all', 'username', 'enter']);
      const titles = await page.$$eval('#summary th', (all) => all.map(({ textContent }) => textContent!));
      expect(titles).toHaveLength(10);
      expect(path.slice(5, 15)).toEqual(titles);
      const buttons = path.filter((name) => name.startsWith('Try it: '));
      expect(buttons.slice(0, 10)).toEqual(titles.map((title) => `Try it: ${title}`));
      expect(buttons).toHaveLength(16);
    });

    it('skips to the experiment', async () => {
      await open();
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Tab');
      expect(await page.evaluate(FOCUSED)).toEqual({ name: 'Try it: First message', isVisible: true });
    });

    it.each(['Enter', 'Space'])(
      'tries a way by %s, and a screen reader is told what came of it',
      async (key) => {
        await open();
        await page.focus('#way-first-message button');
        await page.keyboard.press(key);
        const told = page.locator('#status[role="status"][aria-live="polite"]', {
          hasText:
            'First message: Token in the first frame: let in; Talks before it has said who it is: refused 4401.',
        });
        await told.waitFor({ state: 'attached' });
        expect(await page.evaluate(FOCUSED)).toEqual({ name: 'Try it: First message', isVisible: true });
      },
    );

    it('opens and closes what was on the wire, and scrolls in it', async () => {
      await open();
      await runCard(page, 'way-first-message');
      const details = page.locator('#way-first-message details');
      expect(await details.getAttribute('open')).toBe('');
      await page.focus('#way-first-message summary');
      await page.keyboard.press('Enter');
      expect(await details.getAttribute('open')).toBeNull();
      await page.keyboard.press('Space');
      expect(await details.getAttribute('open')).toBe('');
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.className')).toBe('scroll');
      await page.keyboard.press('End');
      await eventually(async () => Number(await page.evaluate('document.activeElement.scrollTop')) > 0);
    });

    it('logs in and out, and chooses colours', async () => {
      await open();
      await page.fill('#username', 'grace');
      await page.keyboard.press('Enter');
      await page.locator('#user', { hasText: 'logged in as grace' }).waitFor();
      await page.reload();
      await page.locator('#user', { hasText: 'logged in as grace' }).waitFor();
      await pageIsReady(page);
      expect(await page.inputValue('#username')).toBe('grace');
      await page.focus('#enter');
      await page.keyboard.press('Space');
      await page.locator('#user', { hasText: 'logged out' }).waitFor();
      await page.focus('input[value="auto"]');
      await page.keyboard.press('ArrowRight');
      expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('light');
    });
  });

  it('does nothing twice when it is pressed twice', async () => {
    await open();
    await page.evaluate(`(() => {
      const button = document.querySelector('#way-ticket-query button');
      button.click();
      button.click();
    })()`);
    await cardIsIdle(page, 'way-ticket-query');
    const steps = await readSteps(page, 'way-ticket-query');
    expect(steps.map(({ server }) => server.length)).toEqual([1, 1]);
    expect(await page.locator('#way-ticket-query .chapters > li').count()).toBe(2);
  });
});
