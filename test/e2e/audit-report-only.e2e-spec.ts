import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import { WsAuth, type WsAuthOptions, WsPolicy, WsRoles, WsThrottle } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { type HandshakeParts, RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(open.splice(0).map((test) => test.discard()));
});

/** A gateway with a policy that permits nothing, and a limit that is soon reached. */
function makeTrialGateway() {
  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class TrialGateway {
    @WsPolicy(() => false)
    @SubscribeMessage('never')
    never() {
      return { event: 'done', data: 1 };
    }

    @WsPolicy(async () => Promise.resolve(false), () => false)
    @SubscribeMessage('never-twice')
    neverTwice() {
      return { event: 'done', data: 2 };
    }

    @WsRoles()
    @WsThrottle({ name: 'rare', limit: 1, windowMs: 60_000 })
    @SubscribeMessage('rare')
    rare() {
      return { event: 'done', data: 3 };
    }
  }
  return TrialGateway;
}

async function start(
  reportOnly: ('origin' | 'throttle' | 'policy')[],
  options: Partial<WsAuthOptions> = {},
): Promise<TestApp> {
  const test = await startApp({
    gateways: [makeTrialGateway()],
    options: { credentials: ['ticket', 'bearer', 'cookie'], ...options, audit: { reportOnly } },
  });
  open.push(test);
  return test;
}

async function attempt(test: TestApp, parts: HandshakeParts): Promise<number> {
  const client = await RawClient.open(test.port, parts);
  clients.push(client);
  return (await client.response()).status;
}

async function live(test: TestApp): Promise<RawClient> {
  const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${test.token()}` } });
  clients.push(client);
  await client.upgraded();
  return client;
}

const EVIL = { Origin: 'https://evil.example' };
const reported = (test: TestApp): string[] =>
  test.events
    .filter(({ outcome }) => outcome === 'reported')
    .map(({ event, reasonCode }) => `${event} ${reasonCode}`);

describe('audit.reportOnly: origin', () => {
  it('lets in who proves it, and tells what would have been refused', async () => {
    const test = await start(['origin']);
    const bearer = { ...EVIL, Authorization: `Bearer ${test.token()}` };
    expect(await attempt(test, { headers: bearer })).toBe(101);
    expect(test.events).toMatchObject([
      {
        event: 'malicious_csrf',
        outcome: 'reported',
        reasonCode: 'origin_not_allowed',
        origin: 'https://evil.example',
        path: '/ws',
      },
      { event: 'authn_login_success', outcome: 'success' },
    ]);
  });

  it('never counts for what a browser sends by itself (OR-04)', async () => {
    const test = await start(['origin']);
    const { token } = await test.sessions.create({ userId: 'ada' });
    expect(await attempt(test, { headers: { ...EVIL, Cookie: `__Host-sid=${token}` } })).toBe(403);
    expect(
      await attempt(test, {
        headers: { ...EVIL, Cookie: 'theme=dark', Authorization: `Bearer ${test.token()}` },
      }),
    ).toBe(403);
    expect(await attempt(test, { headers: { ...EVIL, Authorization: 'Basic YTpi' } })).toBe(403);
    expect(reported(test)).toEqual([]);
  });

  it('lets in no bad credential, and no ticket of another page', async () => {
    const test = await start(['origin', 'throttle', 'policy']);
    expect(await attempt(test, { headers: EVIL })).toBe(401);
    expect(await attempt(test, { headers: { ...EVIL, Authorization: 'Bearer x.y.z' } })).toBe(401);
    const { ticket } = await test.tickets.issue({ principal: { id: 'ada' }, origin: 'https://app.example' });
    expect(await attempt(test, { target: `/ws?ticket=${ticket}`, headers: EVIL })).toBe(401);
  });

  it('is off by itself', async () => {
    const test = await start([]);
    expect(await attempt(test, { headers: { ...EVIL, Authorization: `Bearer ${test.token()}` } })).toBe(403);
  });
});

describe('audit.reportOnly: throttle', () => {
  it('handles what is over a limit of its handler, its connection or its user, and tells', async () => {
    const test = await start(['throttle'], {
      throttle: { perConnection: { limit: 2, windowMs: 60_000, burst: 2 } },
    });
    const client = await live(test);
    for (let times = 0; times < 4; times += 1) {
      client.send('rare');
      expect(await client.message()).toEqual({ event: 'done', data: 3 });
    }
    expect(reported(test)).toEqual([
      'excess_rate_limit_exceeded message_rate:rare',
      'excess_rate_limit_exceeded message_rate:connection',
      'excess_rate_limit_exceeded message_rate:rare',
      'excess_rate_limit_exceeded message_rate:connection',
      'excess_rate_limit_exceeded message_rate:rare',
    ]);
  });

  it('still ends who sends nonsense', async () => {
    const test = await start(['throttle']);
    const client = await live(test);
    client.write(...Array.from({ length: 60 }, () => Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x78])));
    expect(await client.closed()).toMatchObject({ code: 4429 });
  });
});

describe('audit.reportOnly: policy', () => {
  it('handles what a policy would stop, and tells of each policy', async () => {
    const test = await start(['policy']);
    const client = await live(test);
    client.send('never');
    expect(await client.message()).toEqual({ event: 'done', data: 1 });
    expect(reported(test)).toEqual(['authz_fail message_policy']);
    client.send('never-twice');
    expect(await client.message()).toEqual({ event: 'done', data: 2 });
    expect(reported(test)).toHaveLength(3);
    expect(test.events.at(-1)).toMatchObject({ principal: 'ada', connectionId: expect.any(String) });
  });

  it('is off by itself', async () => {
    const test = await start(['throttle']);
    const client = await live(test);
    client.send('never');
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'forbidden' } });
    expect(reported(test)).toEqual([]);
  });
});

describe('audit.reportOnly', () => {
  it('is told loudly at each boot, and refuses the boot where the set-up is strict', async () => {
    const test = await start(['origin', 'policy']);
    const warnings = test.logger.lines.filter((line) => line.includes('audit.reportOnly lists'));
    expect(warnings.length).toBeGreaterThan(0);
    await expect(start(['origin'], { strict: true })).rejects.toThrow(/audit\.reportOnly/);
  });

  it('names nothing that is a credential', async () => {
    await expect(start(['credentials' as never])).rejects.toThrow(
      /"audit.reportOnly" must be a list of what may be told/,
    );
  });
});
