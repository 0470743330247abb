import { chromium, type Browser } from 'playwright-core';
import { CHROMIUM } from './chromium.js';
import { startPlayground, type Playground } from './playground.js';

/** A playground, and a Chromium to look at it. */
export interface PlaygroundBrowser {
  readonly playground: Playground;
  readonly browser: Browser;
  stop(): Promise<void>;
}

export async function browsePlayground(): Promise<PlaygroundBrowser> {
  const playground = await startPlayground();
  const browser = await chromium.launch(CHROMIUM);
  return {
    playground,
    browser,
    stop: async () => {
      await browser.close();
      await playground.stop();
    },
  };
}
