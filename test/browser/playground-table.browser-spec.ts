import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/chromium.js';
import { startFirefox } from '../support/firefox.js';
import { type Evaluating, pageIsReady, readSteps, runAll, runCard } from '../support/playground-page.js';
import { startPlayground, type Playground } from '../support/playground.js';

/** A step: its badge, what the browser says, and for each handshake what the server saw. */
type Expected = readonly [badge: string, browser: string, ...server: string[][]];

const OWN = 'Origin <own>';
const COOKIE = 'Cookie: __Host-sid=•••';
const BASIC = 'Authorization: Basic •••';
const ADMITTED = '→ authn_login_success';
const OPEN_V1 = 'open, with ws-auth.v1, and answered';
const UNEXPLAINED = '1006, and no word of why';

const REFUSED = [
  'refused 4401',
  'closed 4401 unauthorized',
  [OWN, 'no cookie', '→ authn_login_fail: credential_missing'],
] as const satisfies Expected;
const ASKED = '→ authn_login_fail: credential_missing';

/** What no browser does otherwise than another. */
const WAYS: Record<string, readonly Expected[]> = {
  'first-message': [
    ['let in', 'open, and answered', [OWN, 'no cookie', ADMITTED]],
    [
      'refused 4401',
      'closed 4401 unauthorized',
      [OWN, 'no cookie', '→ authn_login_fail: message_before_auth'],
    ],
  ],
  'ticket-query': [
    ['let in', OPEN_V1, [OWN, 'ticket in the query', 'no cookie', ADMITTED]],
    [
      'refused 4400',
      'closed 4400 bad_message',
      [OWN, 'token in the query', 'no cookie', '→ authn_login_fail: credential_in_url'],
    ],
  ],
  'ticket-subprotocol': [
    ['let in', OPEN_V1, [OWN, 'ticket in a subprotocol', 'no cookie', ADMITTED]],
    [
      'refused 1006',
      UNEXPLAINED,
      [OWN, 'ticket in a subprotocol', 'no cookie', '→ input_validation_fail: no_common_subprotocol'],
    ],
  ],
  'bearer-subprotocol': [
    ['let in', OPEN_V1, [OWN, 'bearer in a subprotocol', 'no cookie', ADMITTED]],
    [
      'refused 4401',
      'closed 4401 unauthorized',
      [OWN, 'bearer in a subprotocol', 'no cookie', '→ authn_login_fail: token_signature'],
    ],
  ],
  'cookie-same-site': [
    ['let in', OPEN_V1, [OWN, COOKIE, ADMITTED]],
    ['let in', OPEN_V1, [OWN, COOKIE, ADMITTED]],
    [
      'refused 4401',
      'closed 4401 unauthorized',
      [OWN, 'no cookie', '→ authn_login_fail: credential_missing'],
    ],
  ],
  'cookie-cross-site': [
    [
      'refused 4401',
      'closed 4401 unauthorized',
      [OWN, 'no cookie', '→ authn_login_fail: credential_missing'],
    ],
    ['let in', OPEN_V1, [OWN, COOKIE, ADMITTED]],
  ],
  'machine-bearer': [
    [
      'let in',
      'machine: 101, and answered',
      ['no Origin', 'Authorization: Bearer •••', 'no cookie', ADMITTED],
    ],
    [
      'refused 401',
      'machine: 401 unauthorized',
      ['no Origin', 'Authorization: Bearer •••', 'no cookie', '→ authn_login_fail: token_audience'],
    ],
  ],
  'machine-basic': [
    ['let in', 'machine: 101, and answered', ['no Origin', BASIC, 'no cookie', ADMITTED]],
    [
      'refused 401',
      'machine: 401 unauthorized',
      ['no Origin', BASIC, 'no cookie', '→ authn_login_fail: basic_refused'],
    ],
  ],
  'machine-certificate': [
    ['let in', 'machine: 101, and answered', ['no Origin', 'no cookie', ADMITTED]],
    [
      'refused 403',
      'machine: 403 origin_not_allowed',
      ['no Origin', 'no cookie', '→ malicious_csrf: origin_missing'],
    ],
  ],
};

/** User information in the URL: sent to a gateway that asks, and from then on to the same gateway unasked. */
const FROM_THE_SAME_HOST: readonly Expected[] = [
  ['let in', OPEN_V1, [OWN, COOKIE, ASKED], [OWN, BASIC, COOKIE, ADMITTED]],
  ['let in', OPEN_V1, [OWN, BASIC, COOKIE, ADMITTED]],
];

interface BrowserPage extends Evaluating {
  goto(url: string): Promise<unknown>;
}

interface BrowserCase {
  readonly name: string;
  /** What it does where browsers differ. */
  readonly urlUser: readonly Expected[];
  open(): Promise<{ page: BrowserPage; close(): Promise<void> }>;
}

const BROWSERS: readonly BrowserCase[] = [
  {
    name: 'Chromium',
    // To another site it sends none, even when it is asked.
    urlUser: [REFUSED, ['refused 1006', UNEXPLAINED, [OWN, 'no cookie', ASKED]], ...FROM_THE_SAME_HOST],
    open: async () => {
      const browser = await chromium.launch(CHROMIUM);
      return { page: await browser.newPage(), close: () => browser.close() };
    },
  },
  {
    name: 'Firefox',
    // To another site as well, when it is asked.
    urlUser: [
      REFUSED,
      ['let in', OPEN_V1, [OWN, 'no cookie', ASKED], [OWN, BASIC, 'no cookie', ADMITTED]],
      ...FROM_THE_SAME_HOST,
    ],
    open: async () => {
      const browser = await startFirefox();
      return { page: await browser.newPage(), close: () => browser.close() };
    },
  },
];

describe.each(BROWSERS)('the table of the playground, in $name', ({ urlUser, open }) => {
  const rows = Object.entries({ ...WAYS, 'url-user': urlUser });
  let playground: Playground;
  let page: BrowserPage;
  let close: () => Promise<void>;

  beforeAll(async () => {
    playground = await startPlayground();
    ({ page, close } = await open());
    await page.goto(playground.url);
    await pageIsReady(page);
  });
  afterAll(async () => {
    await close?.();
    await playground.stop();
  });

  const shown = (expected: readonly Expected[]) =>
    expected.map(([badge, browserSays, ...server]) => ({
      badge,
      browser: browserSays,
      server: server.map((parts) => parts.map((part) => part.replace('<own>', playground.url))),
    }));
  const texts = (selector: string): Promise<unknown> =>
    page.evaluate(`[...document.querySelectorAll('${selector}')].map(({ textContent }) => textContent)`);

  it('tries all ten ways at a press, and says how many have led in', async () => {
    expect(await runAll(page)).toBe('10 of 10 ways have led in.');
    expect(await texts('#user')).toEqual(['logged in as ada']);
  });

  it.each(rows)('has the row %s, its refusals included', async (id, expected) => {
    expect(await readSteps(page, `way-${id}`)).toEqual(shown(expected));
  });

  it.each(rows)('has the row %s again, when it is tried again', async (id, expected) => {
    const steps = await runCard(page, `way-${id}`);
    // What a browser remembers of user information, the second time, is its own affair; who is let in is not.
    if (id === 'url-user') expect(steps.map(({ badge }) => badge)).toEqual(expected.map(([badge]) => badge));
    else expect(steps).toEqual(shown(expected));
  });

  it('has the same results in the overview', async () => {
    const overview = (await page.evaluate(
      `[...document.querySelectorAll('#summary tr')].map((row) => [
        row.querySelector('a').hash,
        ...[...row.querySelectorAll('.badge')].map(({ textContent }) => textContent),
      ])`,
    )) as string[][];
    const brief = (badge: string): string => badge.replace('refused ', '').replace('let ', '');
    expect(Object.fromEntries(overview.map(([hash, ...badges]) => [hash, badges]))).toEqual(
      Object.fromEntries(rows.map(([id, steps]) => [`#way-${id}`, steps.map(([badge]) => brief(badge))])),
    );
  });

  it('shows the lines of page, wire, gateway and audit log of a try', async () => {
    await runCard(page, 'way-ticket-query');
    const lines = (await page.evaluate(
      `[...document.querySelectorAll('#way-ticket-query .lines li')].map((line) =>
        [...line.children].map(({ textContent }) => textContent))`,
    )) as string[][];
    expect(lines).toContainEqual(['page', 'POST /ws-auth/ticket {"path":"/ticket"} → 201, a ticket']);
    expect(lines).toContainEqual(['wire', 'GET /ticket?ticket=••• HTTP/1.1']);
    expect(lines).toContainEqual(['wire', `Origin: ${playground.url}`]);
    expect(lines).toContainEqual(['gateway', 'handleConnection: ada, by ticket']);
    expect(lines).toContainEqual(['page', '← {"event":"hello","data":"ada, admitted by ticket"}']);
    const audited = lines.filter(([lane]) => lane === 'audit').map(([, text]) => text);
    expect(audited[0]).toMatch(
      /^authn_login_success · success · admitted · by ticket · ada · ticket #\w{6} · session #\w{6}$/,
    );
  });
});

describe('the table of the playground, without openssl', () => {
  it('says so in the row of the certificate, and has the other nine', async () => {
    const playground = await startPlayground({ PATH: '/nowhere' });
    const browser = await chromium.launch(CHROMIUM);
    try {
      const page = await browser.newPage();
      await page.goto(playground.url);
      await pageIsReady(page);
      expect(await page.locator('#way-machine-certificate button').count()).toBe(0);
      const [first] = await readSteps(page, 'way-machine-certificate');
      expect(first!.badge).toBe('not possible');
      expect(first!.browser).toContain('openssl');
      expect(await runAll(page)).toBe('9 of 10 ways have led in.');
    } finally {
      await browser.close();
      await playground.stop();
    }
  });
});
