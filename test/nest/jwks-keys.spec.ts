import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TokenRejected } from '../../lib/core/errors.js';
import { JwksKeys, loadJose } from '../../lib/nest/jwks-keys.js';
import { fakeClock, type FakeClock } from '../support/fake-clock.js';

const MINUTE_MS = 60_000;
const jwk = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' });
const RS = (kid: string) => ({ alg: 'RS256', kid });

describe('JwksKeys', () => {
  let server: Server;
  let published: object[];
  let isAway: boolean;
  let asked: number;
  let clock: FakeClock;
  let keys: JwksKeys;

  beforeEach(async () => {
    published = [{ ...jwk, kid: 'good', alg: 'RS256' }];
    isAway = false;
    asked = 0;
    server = createServer((_, response) => {
      asked += 1;
      response.statusCode = isAway ? 503 : 200;
      response.end(isAway ? '' : JSON.stringify({ keys: published }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    clock = fakeClock();
    vi.useFakeTimers({ toFake: ['Date'], now: clock() });
    const { port } = server.address() as AddressInfo;
    keys = new JwksKeys(new URL(`http://127.0.0.1:${port}/`), clock);
  });
  afterEach(async () => {
    vi.useRealTimers();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Both clocks: that of `jose` is the wall clock. */
  function advance(ms: number): void {
    clock.advance(ms);
    vi.setSystemTime(Date.now() + ms);
  }
  const isFound = async (kid: string): Promise<boolean> => (await keys.keyFor(RS(kid))).type === 'public';

  it('keeps the keys that it has while the issuer is away, whatever kid somebody asks for (JW-04)', async () => {
    expect(await isFound('good')).toBe(true);
    isAway = true;
    advance(31_000);
    await expect(keys.keyFor(RS('unknown'))).rejects.not.toBeInstanceOf(TokenRejected);
    expect(await isFound('good')).toBe(true);
    const before = asked;
    for (let count = 0; count < 20; count += 1) await keys.keyFor(RS(`unknown ${count}`)).catch(() => {});
    expect(asked).toBe(before);
    advance(11 * MINUTE_MS);
    expect(await isFound('good')).toBe(true);
  });

  it('does not believe them for longer than an hour', async () => {
    expect(await isFound('good')).toBe(true);
    isAway = true;
    advance(61 * MINUTE_MS);
    await expect(keys.keyFor(RS('good'))).rejects.not.toBeInstanceOf(TokenRejected);
    isAway = false;
    advance(6_000);
    expect(await isFound('good')).toBe(true);
  });

  it('refuses the token that names a key nobody can use, and no other (JW-04)', async () => {
    published.push(
      { kty: 'RSA', kid: 'broken', alg: 'RS256', n: '!', e: 'AQAB' },
      { kty: 'RSA', kid: 'bare', alg: 'RS256' },
    );
    for (const kid of ['broken', 'bare']) {
      await expect(keys.keyFor(RS(kid))).rejects.toBeInstanceOf(TokenRejected);
      expect(await isFound('good')).toBe(true);
    }
  });

  it('refuses a kid that the issuer has not published', async () => {
    await expect(keys.keyFor(RS('unknown'))).rejects.toMatchObject({ reason: 'key_unknown' });
  });
});

describe('loadJose', () => {
  const failing = (code: string, message: string) => () =>
    Promise.reject(Object.assign(new Error(message), { code }));
  const problemOf = async (load: () => Promise<never>): Promise<unknown> =>
    loadJose(load).catch((error: { problems: unknown }) => error.problems);

  it('says what to install where it is not', async () => {
    for (const [code, said] of [
      ['ERR_MODULE_NOT_FOUND', "Cannot find package 'jose' imported from /app/main.js"],
      ['MODULE_NOT_FOUND', "Cannot find module 'jose'"],
    ] as const) {
      expect(await problemOf(failing(code, `${said}\nRequire stack:\n- /app/main.js`))).toEqual([
        `option "jwt.jwksUri" needs the package jose, which is not installed: npm install jose (${said})`,
      ]);
    }
  });

  it('does not say so where it is, and cannot be loaded, as under Jest', async () => {
    for (const [code, said] of [
      [
        'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING_FLAG',
        'A dynamic import callback was invoked without --experimental-vm-modules',
      ],
      ['ERR_MODULE_NOT_FOUND', "Cannot find package 'other' imported from /app/node_modules/jose/index.js"],
    ] as const) {
      expect(await problemOf(failing(code, said))).toEqual([
        `option "jwt.jwksUri" needs the package jose, which is installed but cannot be loaded here (${said}): under Jest, which ` +
          'loads ES modules only with node --experimental-vm-modules, set "jwt.publicKey" instead',
      ]);
    }
  });

  it('loads what is installed', async () => {
    expect(await loadJose()).toHaveProperty('createRemoteJWKSet');
  });
});
