import { existsSync } from 'node:fs';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** How tests start the system's Chromium. Without one they fail, and say how to get it. */
export const CHROMIUM = {
  get executablePath(): string {
    const found = PATHS.find((path) => existsSync(path));
    if (found) return found;
    throw new Error('no Chromium found; install it: sudo apt-get install -y chromium');
  },
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};
