import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JwtOptions } from '../../lib/index.js';
import { AUDIENCE, baseOptions, startApp, type TestApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient, type RawResponse } from '../support/raw-client.js';
import { expectRefusal } from '../support/refusal.js';

const ISSUER = 'https://idp.example';

const INVALID = { 'www-authenticate': 'Bearer realm="ws", error="invalid_token"' };

/** An identity provider: an HTTP server with a key set that a test changes. */
class KeyServer {
  readonly #server: Server;
  keys: { kid: string; pair: { publicKey: KeyObject; privateKey: KeyObject } }[] = [];
  asked = 0;
  answer: 'keys' | 'error' | 'nothing' = 'keys';

  private constructor() {
    this.#server = createServer((_, response) => {
      this.asked += 1;
      if (this.answer === 'nothing') return;
      response.statusCode = this.answer === 'keys' ? 200 : 500;
      const keys = this.keys.map(({ kid, pair }) => ({
        ...pair.publicKey.export({ format: 'jwk' }),
        kid,
        alg: 'RS256',
      }));
      response.end(JSON.stringify({ keys }));
    });
  }

  static async start(): Promise<KeyServer> {
    const server = new KeyServer();
    server.add('first');
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get uri(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`;
  }

  add(kid: string, modulusLength = 2_048): void {
    this.keys.push({ kid, pair: generateKeyPairSync('rsa', { modulusLength }) });
  }

  sign(kid: string, claims: object = {}, by = kid): string {
    const { privateKey } = this.keys.find((key) => key.kid === by)!.pair;
    const now = Math.floor(Date.now() / 1_000);
    const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', iat: now, exp: now + 600, ...claims };
    return new JwtService({}).sign(payload, {
      privateKey: privateKey as never,
      algorithm: 'RS256',
      header: { alg: 'RS256', typ: 'JWT', kid } as never,
    });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('tokens of an issuer that publishes its keys', () => {
  let idp: KeyServer;
  let test: TestApp;
  const clients: RawClient[] = [];

  beforeEach(async () => {
    idp = await KeyServer.start();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await test.discard();
    await idp.stop();
  });

  async function start(jwt: Partial<JwtOptions> | readonly JwtOptions[] = {}): Promise<void> {
    const published = {
      jwksUri: idp.uri,
      algorithms: ['RS256'],
      issuer: ISSUER,
      audience: AUDIENCE,
    } as const;
    const options = Array.isArray(jwt) ? jwt : { ...published, ...jwt };
    test = await startApp({ gateways: [makeChatGateway()], options: { jwt: options as JwtOptions } });
  }

  async function knock(token: string): Promise<RawClient> {
    const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${token}` } });
    clients.push(client);
    return client;
  }
  const answerOf = async (token: string): Promise<RawResponse> => (await knock(token)).response();

  it('are believed, and the keys fetched once', async () => {
    await start({ cacheSize: 0 });
    expect(idp.asked).toBe(0);
    for (let count = 0; count < 5; count += 1) expect((await answerOf(idp.sign('first'))).status).toBe(101);
    expect(idp.asked).toBe(1);
  });

  it('are believed by a key that was published later, without a restart (JW-04)', async () => {
    await start();
    idp.add('second');
    expect((await answerOf(idp.sign('second'))).status).toBe(101);
    expect((await answerOf(idp.sign('first'))).status).toBe(101);
  });

  it('are refused for a kid that nobody knows, and ask for the keys no second time (JW-04)', async () => {
    await start();
    expect((await answerOf(idp.sign('first'))).status).toBe(101);
    for (let count = 0; count < 5; count += 1)
      await expectRefusal(await knock(idp.sign(`unknown ${count}`, {}, 'first')), 'unauthorized', INVALID);
    expect(idp.asked).toBe(1);
  });

  it('are refused with a key of another kid, a foreign issuer, another algorithm, or no kid (JW-01, JW-04)', async () => {
    await start();
    idp.add('second');
    await expectRefusal(await knock(idp.sign('first', {}, 'second')), 'unauthorized', INVALID);
    await expectRefusal(
      await knock(idp.sign('first', { iss: 'https://evil.example' })),
      'unauthorized',
      INVALID,
    );
    const [, claims, signature] = idp.sign('first').split('.');
    for (const header of [
      { alg: 'HS256', kid: 'first', typ: 'JWT' },
      { alg: 'none', kid: 'first' },
      { alg: 'RS256', typ: 'JWT' },
    ]) {
      const forged = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${claims}.${signature}`;
      await expectRefusal(await knock(forged), 'unauthorized', INVALID);
    }
  });

  it('are refused when the published key is too short to be trusted', async () => {
    await start();
    idp.add('short', 1_024);
    const token = idp.sign('first').split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: 'short' })).toString(
      'base64url',
    );
    await expectRefusal(await knock([header, token[1], token[2]].join('.')), 'unauthorized', INVALID);
  });

  it.each(['error', 'nothing'] as const)(
    'are answered 503 while the issuer gives %s, and it is not asked for each',
    async (answer) => {
      idp.answer = answer;
      await start({});
      const refused = await Promise.all(Array.from({ length: 5 }, () => knock(idp.sign('first'))));
      for (const client of refused) await expectRefusal(client, 'unavailable');
      await expectRefusal(await knock(idp.sign('first')), 'unavailable');
      expect(idp.asked).toBe(1);
      expect(test.logger.lines.join()).not.toContain(idp.sign('first').split('.')[2]!.slice(0, 20));
    },
  );

  it('may be of several issuers, each judged by its own keys and rules', async () => {
    const own = baseOptions().jwt as JwtOptions;
    await start([
      own,
      { jwksUri: idp.uri, algorithms: ['RS256'], issuer: ISSUER, audience: AUDIENCE, cacheSize: 0 },
    ]);
    expect((await answerOf(test.token())).status).toBe(101);
    expect((await answerOf(idp.sign('first'))).status).toBe(101);
    await expectRefusal(
      await knock(idp.sign('first', { iss: 'https://issuer.example' })),
      'unauthorized',
      INVALID,
    );
    await expectRefusal(await knock(test.token({ iss: ISSUER })), 'unauthorized', INVALID);
    await expectRefusal(await knock(test.token({ iss: 'https://evil.example' })), 'unauthorized', INVALID);
    await expectRefusal(
      await knock(test.token({ iss: ['https://issuer.example'] })),
      'unauthorized',
      INVALID,
    );
  });
});
