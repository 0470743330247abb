import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  SkipWsThrottle,
  WsAuth,
  WsAuthOptionsError,
  WsConcurrency,
  WsPublic,
  WsRoles,
} from '../../lib/index.js';
import type { WsAuthDoctor } from '../../lib/nest/ws-auth.doctor.js';
import { WS_AUTH_DOCTOR } from '../../lib/nest/ws-auth.constants.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { freePort } from '../support/free-port.js';
import { makeChatGateway } from '../support/gateways.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const SECRET = randomBytes(48).toString('base64url');

const open: TestApp[] = [];
const nodeEnv = process.env.NODE_ENV;
afterEach(async () => {
  process.env.NODE_ENV = nodeEnv;
  await Promise.all(open.splice(0).map((app) => app.discard()));
});

async function boot(parts: Partial<TestAppParts> = {}): Promise<TestApp> {
  const app = await startApp({ gateways: [makeChatGateway()], ...parts });
  open.push(app);
  return app;
}

/** What the doctor has logged: level and id of each line. */
function logged({ logger }: TestApp): string[] {
  return logger.lines.flatMap((line) => {
    const [, level, id] = /^(\w+) .*\(doctor: ([a-z0-9-]+), [A-Z0-9, -]+\)/.exec(line) ?? [];
    return id ? [`${level} ${id}`] : [];
  });
}

async function idsOf(app: TestApp): Promise<string[]> {
  const { findings } = await app.app.get<WsAuthDoctor>(WS_AUTH_DOCTOR).examine();
  return findings.map(({ id }) => id);
}

describe('the doctor at the boot', () => {
  it('logs no line about an ordinary set-up but one at debug level, which names what is worth knowing (CF-01)', async () => {
    const app = await boot();
    expect(logged(app)).toEqual([]);
    const notices = app.logger.lines.filter((line) => line.includes('doctor'));
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/^debug doctor: worth knowing .*\bhandler-without-rule\b.*\bmemory-store\b/);
  });

  it('logs each warning once, on a line of its own, with the fix and the id', async () => {
    const app = await boot({
      options: { message: { compression: true }, origins: ['https://app.example', 'null'] },
    });
    expect(logged(app)).toEqual(['warn origins-null', 'warn compression-on']);
    expect(app.logger.lines).toContain(
      'warn origins lists "null": sandboxed frames and local files of anybody may connect; take "null" out of origins (doctor: origins-null, OR-03) WsAuth',
    );
  });

  it('logs an error as one, in production', async () => {
    process.env.NODE_ENV = 'production';
    const app = await boot({
      options: { allowMemoryStoreInProduction: true, secret: SECRET, handshake: { requireTls: false } },
    });
    expect(logged(app)).toEqual(['error tls-not-required', 'warn hosts-unset']);
  });

  it('tells that nobody can connect where TLS is asked for and cannot arrive (HS-15)', async () => {
    const port = await freePort();
    @WsAuth()
    @WebSocketGateway(port, { path: '/own' })
    class OwnPortGateway {}
    const handshake = { requireTls: true };
    const app = await boot({ gateways: [makeChatGateway(), OwnPortGateway], options: { handshake } });
    expect(logged(app)).toEqual(['error tls-unreachable']);
    expect(app.logger.lines.join('\n')).toContain('the application and OwnPortGateway speaks plain HTTP');
    const proxied = await boot({ options: { handshake, proxy: { trusted: ['10.0.0.1'] } } });
    expect(logged(proxied)).toEqual([]);
  });

  it('stops the boot with every sentence at once when it is strict, and says nothing of notices', async () => {
    const strict = {
      strict: true,
      message: { compression: true },
      handshake: { timeoutMs: 20_000, maxHeaders: 500 },
    };
    const error = await boot({ gateways: [], options: strict }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(WsAuthOptionsError);
    expect((error as WsAuthOptionsError).problems).toEqual([
      expect.stringMatching(
        /^handshake\.timeoutMs is above .*doctor: handshake-slow, HS-02\) \(refused because of strict/,
      ),
      expect.stringMatching(
        /^message\.compression is on.*doctor: compression-on, TH-06\) \(refused because of strict/,
      ),
    ]);
  });

  it('boots strictly with what is meant, and does not log it', async () => {
    const app = await boot({
      gateways: [],
      options: { strict: true, message: { compression: true }, doctor: { ignore: ['compression-on'] } },
    });
    expect(logged(app)).toEqual([]);
  });

  it('looks at gateways and handlers as their decorators declare them (SE-10)', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/a' })
    class RuledGateway {
      @WsRoles('admin')
      @SubscribeMessage('rule')
      rule(): void {}
    }
    @WsAuth()
    @WebSocketGateway({ path: '/b' })
    class LooseGateway {
      @WsConcurrency(Infinity)
      @SkipWsThrottle()
      @SubscribeMessage('run')
      run(): void {}
    }
    @WsPublic()
    @WebSocketGateway({ path: '/c' })
    class StatusGateway {}
    const app = await boot({ gateways: [RuledGateway, LooseGateway, StatusGateway] });
    const { findings } = await app.app.get<WsAuthDoctor>(WS_AUTH_DOCTOR).examine();
    const about = findings.map(({ id, found }) => `${id}: ${found}`);
    expect(about).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^concurrency-infinite: LooseGateway\.run\(\) is Infinity/),
        'handler-without-rule: LooseGateway.run() has no rule, so whoever is authenticated may call it',
        expect.stringMatching(/^handler-skips-throttle: LooseGateway\.run\(\) has/),
        expect.stringMatching(/^gateway-public: gateway StatusGateway on \/c has/),
      ]),
    );
    expect(about.join('\n')).not.toContain('RuledGateway');
  });
});

describe('the doctor and Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis('--appendonly', 'yes', '--maxmemory', '100mb');
    const client = new Redis(server.port, '127.0.0.1');
    await client.call('ACL', 'SETUSER', 'ws-auth', 'on', '>canary-password', '~*', '&*', '+@all', '-acl');
    client.disconnect();
  });
  afterAll(() => server.stop());

  const redisIds = async (redis: string | object): Promise<string[]> => {
    process.env.NODE_ENV = 'production';
    const options = { redis, redisPrefix: `test-${newNodeId()}:`, secret: SECRET, hosts: ['localhost'] };
    const app = await boot({ gateways: [], options });
    expect(app.logger.lines.join('\n')).not.toContain('canary-password');
    return (await idsOf(app)).filter((id) => id.startsWith('redis'));
  };

  it('has nothing to say of a server with a user, a log and a limit (RD-03)', async () => {
    expect(await redisIds(`redis://ws-auth:canary-password@127.0.0.1:${server.port}`)).toEqual([]);
  });

  it('finds that there is no password, and does not tell it twice', async () => {
    expect(await redisIds({ host: '127.0.0.1', port: server.port })).toEqual(['redis-without-password']);
  });

  it('lets an ordinary set-up boot strictly in production, with nothing ignored (CF-01)', async () => {
    process.env.NODE_ENV = 'production';
    const ChatGateway = makeChatGateway();
    // Whoever is logged in may call its handlers, and that is meant.
    WsRoles()(ChatGateway);
    const app = await boot({
      gateways: [ChatGateway],
      options: {
        strict: true,
        hosts: ['app.example', '127.0.0.1'],
        credentials: ['ticket', 'bearer', 'cookie'],
        proxy: { trusted: ['127.0.0.1'] },
        redis: `redis://ws-auth:canary-password@127.0.0.1:${server.port}`,
        redisPrefix: `test-${newNodeId()}:`,
        secret: SECRET,
      },
    });
    expect(logged(app)).toEqual([]);
  });

  it('finds it through a client of the application too', async () => {
    const client = new Redis({
      host: 'localhost',
      port: server.port,
      username: 'ws-auth',
      password: 'canary-password',
    });
    expect(await redisIds(client)).toEqual([]);
    client.disconnect();
  });

  it('finds a server that keeps nothing and has no limit', async () => {
    const bare = await startRedis();
    const ids = await redisIds({ host: '127.0.0.1', port: bare.port });
    await Promise.all(open.splice(0).map((app) => app.discard()));
    await bare.stop();
    expect(ids).toEqual(['redis-without-password', 'redis-not-persistent', 'redis-memory-unlimited']);
  });

  it('boots without an answer, and complains of nothing that it could not ask (RD-01)', async () => {
    const ids = await redisIds(`redis://ws-auth:canary-password@127.0.0.1:${await freePort()}`);
    expect(ids).toEqual([]);
  });
});
