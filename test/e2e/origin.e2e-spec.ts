import type { INestApplication } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_OPTIONS } from '../../lib/index.js';
import { ORIGIN, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { makeChatGateway, makePublicGateway } from '../support/gateways.js';
import { handshakeBytes, type HandshakeParts, RawClient } from '../support/raw-client.js';
import { CHALLENGE, expectNothingLeft, expectRefusal } from '../support/refusal.js';

/** Loopback is one address: tests that knock often must not be told to slow down. */
const NO_RATE = { connectRate: { limit: 1_000_000, windowMs: 60_000, burst: 1_000_000 } };

/** The ways in which a request may say who it is, good on every gateway that takes them. */
const CREDENTIALS = [
  'nothing',
  'Authorization',
  'Authorization: Basic',
  'a ticket',
  'a ticket subprotocol',
  'a bearer subprotocol',
  'a cookie',
  'Authorization and a cookie',
  'a ticket and a cookie',
  'a foreign cookie',
] as const;
type Credential = (typeof CREDENTIALS)[number];

/** A handshake with a good credential of this kind. */
async function handshakeWith(test: TestApp, credential: Credential, path: string): Promise<HandshakeParts> {
  const headers: Record<string, string | undefined> = {};
  let target = path;
  const { session, token } = await test.sessions.create({ userId: 'ada' });
  if (credential.endsWith('cookie')) {
    headers.Cookie = credential === 'a foreign cookie' ? 'theme=dark' : `__Host-sid=${token}`;
  }
  if (credential.startsWith('Authorization')) {
    const isBasic = credential === 'Authorization: Basic';
    headers.Authorization = isBasic ? 'Basic YTpi' : `Bearer ${test.token({ sub: 'ada' })}`;
  }
  if (credential.startsWith('a ticket')) {
    const { ticket } = await test.tickets.issue({ session: session.id });
    if (credential === 'a ticket subprotocol')
      headers['Sec-WebSocket-Protocol'] = `ws-auth.v1, ticket.ws-auth.${ticket}`;
    else target = `${path}?ticket=${ticket}`;
  }
  if (credential === 'a bearer subprotocol') {
    const encoded = Buffer.from(test.token()).toString('base64url');
    headers['Sec-WebSocket-Protocol'] = `base64url.bearer.ws-auth.${encoded}, ws-auth.v1`;
  }
  return { target, headers };
}

describe('the Origin of a handshake', () => {
  const gateways = {
    '/strict': makeChatGateway('/strict', { credentials: ['ticket', 'bearer', 'cookie'] }),
    '/first': makeChatGateway('/first'),
    '/public': makePublicGateway('/public'),
    '/refuse': makeChatGateway('/refuse', { missingOrigin: 'refuse' }),
    '/refuse-public': makePublicGateway('/refuse-public', { missingOrigin: 'refuse' }),
  };
  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({
      gateways: Object.values(gateways),
      options: { handshake: NO_RATE, connections: { maxPerUser: 1_000 }, session: { maxPerUser: 1_000 } },
    });
  });
  afterAll(() => test.discard());

  /** Sends this Origin, byte for byte, with a token that is good. */
  async function refuse(origin: string | Buffer): Promise<void> {
    const marker = 'ORIGIN-GOES-HERE';
    const parts = { target: '/strict', headers: { Authorization: `Bearer ${test.token()}`, Origin: marker } };
    const [before, after] = handshakeBytes(parts).split(marker) as [string, string];
    const client = await RawClient.connect(test.port);
    client.write(before, origin, after);
    await expectRefusal(client, 'origin_not_allowed');
    await expectNothingLeft(test);
    expect(gateways['/strict'].seen.connected).toHaveLength(0);
  }

  it.each([
    // Another scheme, host or port.
    'http://app.example',
    'wss://app.example',
    'ws://app.example',
    'https://app.example:443',
    'https://app.example:444',
    'https://app.example:',
    'https://app.example:80',
    'https://other.example',
    'app.example',
    '//app.example',
    'https:app.example',
    'https:/app.example',
    'https:///app.example',
    // More than an origin.
    'https://app.example/',
    'https://app.example/x',
    'https://app.example?',
    'https://app.example#',
    'https://user@app.example',
    'https://user:password@app.example',
    'https://app.example@evil.example',
    'https://app.example:x@evil.example',
    'blob:https://app.example/x',
    'view-source:https://app.example',
    'filesystem:https://app.example/temporary',
    // The same to people and to parsers.
    'HTTPS://app.example',
    'https://APP.example',
    'https://App.Example',
    'https://app.example.',
    'https://app%2eexample',
    'https://app.ex\tample',
    'https://app.example\\.evil.example',
    'https://app.example\\',
    'https:\\\\app.example',
    'https://app.example%00',
    'https://app.example%09',
    // Prefix, suffix, sub-domain and sibling.
    'https://app.example.evil.example',
    'https://evilapp.example',
    'https://evil-app.example',
    'https://app.example-evil.example',
    'https://app.exampleevil',
    'https://app.examplE',
    'https://sub.app.example',
    'https://example',
    'https://evil.example/https://app.example',
    'https://evil.example?https://app.example',
    'https://evil.example#https://app.example',
    // What a pattern would have let through.
    'https://appxexample',
    'https://app.example$.evil.example',
    'https://app.example`.evil.example',
    '.*',
    '*',
    'https://*.example',
    'https://*',
    // Twins in other scripts, as punycode and as bytes.
    'https://xn--pp-qlc.example',
    'https://xn--app-7cd.example',
    'https://\u00e4pp.example',
    // Two values.
    'https://app.example https://evil.example',
    'https://app.example, https://evil.example',
    'https://evil.example, https://app.example',
    'https://app.example,',
    ',https://app.example',
    'https://app.example;https://app.example',
    '"https://app.example"',
    "'https://app.example'",
    '<https://app.example>',
    // Addresses get no free pass.
    'http://127.0.0.1',
    'https://127.0.0.1',
    'http://[::1]',
    'http://2130706433',
    'http://0x7f.1',
    'http://localhost',
    'http://localhost:1',
    'https://localhost',
    'http://10.0.0.1',
    // No origin of a page that was listed.
    'null',
    'NULL',
    'Null',
    'null, https://app.example',
    'undefined',
    'file://',
    'file:///etc/passwd',
    'data:text/html,x',
    'about:blank',
    'chrome-extension://abcdefghijklmnop',
    'capacitor://localhost',
    'ionic://localhost',
    'moz-extension://x',
    'javascript:1',
    // What parsers throw on.
    '://',
    'http://[',
    'http://[::1',
    'https://%',
    'https://a b',
    '__proto__',
    'constructor',
    'toString',
  ])('is refused when it is %j (OR-02, OR-03, OR-05)', async (origin) => {
    await refuse(Buffer.from(origin, 'latin1'));
  });

  it.each([
    ['8 KiB of percent signs', Buffer.alloc(8_192, '%')],
    ['bytes above ASCII', Buffer.from(Array.from({ length: 128 }, (_, index) => index + 128))],
    ['a Cyrillic twin in UTF-8', Buffer.from('https://\u0430pp.example')],
    ['a full-width twin in UTF-8', Buffer.from('https://\uff41pp.example')],
    ['an invisible character in UTF-8', Buffer.from('https://app.example\u200b')],
    ['an escape of an escape', Buffer.from('https://app%252eexample')],
    ['the allowed one 400 times', Buffer.from(`${ORIGIN} `.repeat(400))],
    ['the allowed one and a no-break space', Buffer.from(`${ORIGIN}\u00a0`, 'latin1')],
    ['empty', Buffer.alloc(0)],
    ['white space', Buffer.from(' \t ')],
  ])('is refused when it is %s (OR-02, OR-05)', async (_, origin) => {
    await refuse(origin);
  });

  it('is compared after the white space that HTTP puts around every value', async () => {
    const headers = { Authorization: `Bearer ${test.token()}`, Origin: ` \t ${ORIGIN} \t ` };
    const client = await RawClient.open(test.port, { target: '/strict', headers });
    await client.upgraded();
    client.destroy();
    await expectNothingLeft(test);
    gateways['/strict'].seen.connected.length = 0;
  });

  it('is no authentication: alone it gets 401 (OR-04)', async () => {
    const client = await RawClient.open(test.port, { target: '/strict' });
    await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.missing });
  });

  it('is checked whatever the cookie and Sec-Fetch-Site say (OR-06)', async () => {
    const { token } = await test.sessions.create({ userId: 'ada' });
    for (const site of [undefined, 'same-origin', 'same-site', 'cross-site', 'none']) {
      for (const origin of ['https://other.app.example', 'https://evil.example']) {
        const headers = { Origin: origin, Cookie: `__Host-sid=${token}`, 'Sec-Fetch-Site': site };
        const client = await RawClient.open(test.port, { target: '/strict', headers });
        await expectRefusal(client, 'origin_not_allowed');
      }
    }
  });

  it('is told to the audit log as a forgery when it is refused, and cut to size', async () => {
    const client = await RawClient.open(test.port, {
      target: '/public',
      headers: { Origin: `https://evil.example/${'x'.repeat(4_000)}` },
    });
    const { body } = await expectRefusal(client, 'origin_not_allowed');
    const { correlationId } = JSON.parse(body);
    const event = await test.eventOf((candidate) => candidate.correlationId === correlationId);
    expect(event).toMatchObject({ event: 'malicious_csrf', reasonCode: 'origin_not_allowed', status: 403 });
    expect(event.origin).toHaveLength(257);
  });

  describe.each(Object.keys(gateways) as (keyof typeof gateways)[])('on the gateway %s', (path) => {
    afterEach(() => expectNothingLeft(test));

    it.each(CREDENTIALS)(
      'is refused when it is empty or null, beside %s (OR-03, OR-04)',
      async (credential) => {
        for (const origin of ['', 'null']) {
          const parts = await handshakeWith(test, credential, path);
          const client = await RawClient.open(test.port, {
            ...parts,
            headers: { ...parts.headers, Origin: origin },
          });
          await expectRefusal(client, 'origin_not_allowed');
        }
      },
    );

    const accepted: Record<keyof typeof gateways, readonly Credential[]> = {
      '/strict': ['Authorization', 'a ticket', 'a ticket subprotocol'],
      '/first': ['nothing', 'Authorization', 'a ticket', 'a ticket subprotocol', 'a bearer subprotocol'],
      '/public': [
        'nothing',
        'Authorization',
        'Authorization: Basic',
        'a ticket',
        'a ticket subprotocol',
        'a bearer subprotocol',
      ],
      '/refuse': [],
      '/refuse-public': [],
    };

    it.each(CREDENTIALS)('is missed, or not, beside %s (OR-04)', async (credential) => {
      const parts = await handshakeWith(test, credential, path);
      const headers = { ...parts.headers, Origin: undefined };
      const client = await RawClient.open(test.port, { ...parts, headers });
      if (accepted[path].includes(credential)) {
        await client.upgraded();
        client.destroy();
      } else if (credential === 'Authorization: Basic' && !path.startsWith('/refuse')) {
        // Explicit, so the Origin is not missed; and no credential that is taken.
        await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid });
      } else {
        await expectRefusal(client, 'origin_not_allowed');
      }
    });
  });
});

describe('a cookie without an Origin', () => {
  it('is told to the audit log as a forgery, and its session is not used (OR-04)', async () => {
    const test = await startApp({ gateways: [makeChatGateway()] });
    try {
      const { session, token } = await test.sessions.create({ userId: 'ada' });
      const client = await RawClient.open(test.port, {
        headers: { Origin: undefined, Cookie: `__Host-sid=${token}` },
      });
      await expectRefusal(client, 'origin_not_allowed');
      const event = await test.eventOf(({ outcome }) => outcome === 'refused');
      expect(event).toMatchObject({ event: 'malicious_csrf', reasonCode: 'origin_missing_beside_cookie' });
      expect(test.events.filter(({ event: name }) => name === 'authn_login_success')).toEqual([]);
      expect(await test.sessions.get(session.id)).not.toBeNull();
    } finally {
      await test.discard();
    }
  });
});

describe('a module that refuses a missing Origin', () => {
  it('does so on every gateway, though one says otherwise (OR-04)', async () => {
    const test = await startApp({
      gateways: [
        makeChatGateway('/ws', { missingOrigin: 'explicit' }),
        makePublicGateway('/public', { missingOrigin: 'explicit' }),
      ],
      options: { handshake: { missingOrigin: 'refuse' } },
    });
    try {
      for (const target of ['/ws', '/public']) {
        const headers = { Authorization: `Bearer ${test.token()}`, Origin: undefined };
        await expectRefusal(await RawClient.open(test.port, { target, headers }), 'origin_not_allowed');
        const listed = { Authorization: `Bearer ${test.token()}` };
        await (await RawClient.open(test.port, { target, headers: listed })).upgraded();
      }
    } finally {
      await test.discard();
    }
  });

  it('is not the default', () => {
    expect(DEFAULT_OPTIONS.handshake.missingOrigin).toBe('explicit');
  });
});

describe('a ticket that was issued for an Origin', () => {
  it('demands it, though requests without one are taken (OR-04)', async () => {
    const test = await startApp({ gateways: [makeChatGateway()] });
    try {
      for (const [origin, isGood] of [
        [undefined, false],
        [ORIGIN, true],
      ] as const) {
        const { ticket } = await test.tickets.issue({ principal: { id: 'ada' }, origin: ORIGIN });
        const parts = { target: `/ws?ticket=${ticket}`, headers: { Origin: origin } };
        const client = await RawClient.open(test.port, parts);
        if (isGood) await client.upgraded();
        else await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid });
      }
    } finally {
      await test.discard();
    }
  });
});

describe('the list of origins', () => {
  it.each([
    ['empty', []],
    ['absent', undefined],
    ['a wildcard', ['*']],
    ['a pattern', ['https://*.example']],
    ['a URL', ['https://app.example/x']],
    ['in capitals', ['HTTPS://APP.EXAMPLE']],
    ['with the default port', ['https://app.example:443']],
    ['not a list', 'https://app.example'],
    ['a regular expression', [/app/]],
  ])('stops the boot when it is %s (OR-01)', async (_, origins) => {
    const parts = { gateways: [makeChatGateway()], options: { origins: origins as string[] } };
    await expect(startApp(parts)).rejects.toMatchObject({ code: 'invalid_options' });
  });

  it('of a gateway is a part of the one of the module', async () => {
    let app: INestApplication | undefined;
    const parts: TestAppParts = {
      gateways: [makeChatGateway('/ws', { origins: ['https://more.example'] })],
      before: (made) => void (app = made),
    };
    await expect(startApp(parts)).rejects.toThrow('https://more.example');
    await app?.close();
  });

  it('is narrowed by a gateway, for that gateway only (OR-02)', async () => {
    const other = 'https://other.example';
    const test = await startApp({
      gateways: [makeChatGateway('/narrow', { origins: [other] }), makeChatGateway('/wide')],
      options: { origins: [ORIGIN, other] },
    });
    try {
      const headers = { Authorization: `Bearer ${test.token()}`, Origin: ORIGIN };
      await expectRefusal(
        await RawClient.open(test.port, { target: '/narrow', headers }),
        'origin_not_allowed',
      );
      await (await RawClient.open(test.port, { target: '/wide', headers })).upgraded();
      const narrow = { ...headers, Origin: other };
      await (await RawClient.open(test.port, { target: '/narrow', headers: narrow })).upgraded();
    } finally {
      await test.close();
    }
  });

  it('may name null and custom schemes, each for itself alone (OR-03)', async () => {
    const listed = ['chrome-extension://abc', 'capacitor://localhost'];
    const custom = await startApp({ gateways: [makeChatGateway()], options: { origins: listed } });
    const withNull = await startApp({
      gateways: [makeChatGateway()],
      options: { origins: [ORIGIN, 'null'] },
    });
    try {
      const open = (test: TestApp, origin: string): Promise<RawClient> =>
        RawClient.open(test.port, {
          headers: { Authorization: `Bearer ${test.token()}`, Origin: origin },
        });
      for (const origin of listed) await (await open(custom, origin)).upgraded();
      for (const origin of ['null', 'chrome-extension://other', 'chrome-extension://ABC', 'capacitor://']) {
        await expectRefusal(await open(custom, origin), 'origin_not_allowed');
      }
      await (await open(withNull, 'null')).upgraded();
      for (const origin of ['NULL', 'Null', 'chrome-extension://abc', '']) {
        await expectRefusal(await open(withNull, origin), 'origin_not_allowed');
      }
      expect(withNull.logger.lines.filter((line) => line.includes('origins lists "null"'))).toHaveLength(1);
      expect(custom.logger.lines.filter((line) => line.includes('origins lists "null"'))).toEqual([]);
    } finally {
      await custom.discard();
      await withNull.discard();
    }
  });
});
