import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from '../../lib/redis/circuit-breaker.js';
import { GuardedClient } from '../../lib/redis/guarded-client.js';
import type { RedisClient } from '../../lib/redis/redis-client.js';

type Call = RedisClient['call'];

function guarded(call: Call, isPartitioned: boolean): GuardedClient {
  const client = { status: 'ready', call, on: () => {}, off: () => {}, disconnect: () => {} };
  return new GuardedClient(client, () => new CircuitBreaker(() => 0), isPartitioned);
}

/** Fails for the keys of partition `a`. */
function failingForA(): { call: Call; calls: string[] } {
  const calls: string[] = [];
  const call: Call = async (...args) => {
    calls.push(args.join(' '));
    if (args.join(' ').includes('{a}')) throw new Error('Connection is closed.');
    return 'OK';
  };
  return { call, calls };
}

async function failTimes(client: GuardedClient, times: number, ...args: Parameters<Call>): Promise<void> {
  for (let count = 0; count < times; count += 1)
    await expect(client.call(...args)).rejects.toThrow('Connection is closed.');
}

describe('GuardedClient', () => {
  it('sends nothing more to a server that has failed five times (RD-01)', async () => {
    const { call, calls } = failingForA();
    const client = guarded(call, false);
    await failTimes(client, 5, 'GET', 'ws:{a}:ae');
    await expect(client.call('GET', 'ws:{b}:ae')).rejects.toThrow('breaker open');
    expect(calls).toHaveLength(5);
  });

  it('goes on for the partitions of a cluster that are served (RD-01)', async () => {
    const { call } = failingForA();
    const client = guarded(call, true);
    await failTimes(client, 5, 'GET', 'ws:{a}:ae');
    await expect(client.call('GET', 'ws:{a}:c:some')).rejects.toThrow('breaker open');
    expect(await client.call('GET', 'ws:{b}:ae')).toBe('OK');
    expect(await client.call('PUBLISH', 'ws:ack:node', 'text')).toBe('OK');
  });

  it('goes by the first key of a script (RD-01)', async () => {
    const { call } = failingForA();
    const client = guarded(call, true);
    await failTimes(client, 5, 'EVALSHA', 'sha', 1, 'ws:{a}:c:some', 'x');
    await expect(client.call('HLEN', 'ws:{a}:c:some')).rejects.toThrow('breaker open');
    expect(await client.call('EVALSHA', 'sha', 1, 'ws:{b}:c:some', 'ws:{b}:')).toBe('OK');
  });

  it.each(['NOSCRIPT no such script', 'WRONGTYPE', 'OOM command not allowed'])(
    'counts %s as an answer (RD-01)',
    async (message) => {
      const client = guarded(async () => {
        throw Object.assign(new Error(message), { name: 'ReplyError' });
      }, false);
      for (let count = 0; count < 10; count += 1)
        await expect(client.call('GET', 'k')).rejects.toThrow(message);
    },
  );
});
