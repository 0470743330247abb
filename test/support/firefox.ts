import { existsSync } from 'node:fs';
import puppeteer, { type Browser } from 'puppeteer-core';

const PATHS = ['/usr/bin/firefox-esr', '/usr/bin/firefox'];

/** Starts the system's Firefox over WebDriver BiDi. Without one it fails, and says how to get it. */
export function startFirefox(): Promise<Browser> {
  const executablePath = PATHS.find((path) => existsSync(path));
  if (!executablePath) throw new Error('no Firefox found; install it: sudo apt-get install -y firefox-esr');
  return puppeteer.launch({ browser: 'firefox', executablePath, headless: true });
}
