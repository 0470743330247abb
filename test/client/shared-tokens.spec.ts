import { describe, expect, it } from 'vitest';
import { shareTokens, type SharedTokens } from '../../lib/client/shared-tokens.js';
import { FakeHost, FakeOrigin, settled } from './support/fake-host.js';

const WAIT_MS = 15_000;

function open(origin: FakeOrigin | undefined, owner: string | undefined = 'ada') {
  const host = new FakeHost(origin);
  const refreshed: string[] = [];
  const tokens = shareTokens(host, owner, WAIT_MS, (token) => refreshed.push(token));
  return { host, refreshed, tokens: tokens as SharedTokens };
}

/** A callback that answers when a test says so. */
function held() {
  const answers: ((token: string | null) => void)[] = [];
  const fetch = (): Promise<string | null> => new Promise((resolve) => answers.push(resolve));
  return { answers, fetch };
}

describe('shareTokens', () => {
  it('lets one tab fetch, and the others that want one meanwhile take what it got', async () => {
    const origin = new FakeOrigin();
    const tabs = [open(origin), open(origin), open(origin)];
    const { answers, fetch } = held();
    const got = Promise.all(tabs.map(({ tokens }) => tokens.obtain(fetch, false)));
    await settled();
    expect(answers).toHaveLength(1);
    answers[0]!('token');
    expect(await got).toEqual(['token', 'token', 'token']);
  });

  it('hands the token of a refresh to tabs that did not ask, once, and that of a new connection to none', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    await one.tokens.obtain(async () => 'for a connection', false);
    await one.tokens.obtain(async () => 'for a refresh', true);
    await settled();
    expect([one.refreshed, two.refreshed]).toEqual([[], ['for a refresh']]);
  });

  it('gives no tab a token that it has used already, or that is old', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    expect(await one.tokens.obtain(async () => 'first', false)).toBe('first');
    expect(await two.tokens.obtain(async () => 'second', false)).toBe('first');
    expect(await two.tokens.obtain(async () => 'second', false)).toBe('second');
    one.host.sleep(60_000);
    expect(await one.tokens.obtain(async () => 'third', false)).toBe('third');
  });

  it('takes for a refresh no token that was fetched before it was wanted', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    await one.tokens.obtain(async () => 'before', false);
    await settled();
    two.host.sleep(1);
    expect(await two.tokens.obtain(async () => 'after', true)).toBe('after');
  });

  it('shares with nobody who names another owner, and not at all without a name', async () => {
    const origin = new FakeOrigin();
    const [ada, bob] = [open(origin, 'ada'), open(origin, 'bob')];
    await ada.tokens.obtain(async () => 'of ada', true);
    expect(await bob.tokens.obtain(async () => 'of bob', false)).toBe('of bob');
    expect(bob.refreshed).toEqual([]);
    expect(open(origin, '').tokens).toBeUndefined();
  });

  it('leaves each tab on its own where there are no locks or no channels', () => {
    expect(open(undefined).tokens).toBeUndefined();
  });

  it('fetches by itself when the tab with the lock hangs, or there is no lock to be had', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    void one.tokens.obtain(() => new Promise(() => {}), false);
    const got = two.tokens.obtain(async () => 'own', false);
    await two.host.advance(WAIT_MS);
    expect(await got).toBe('own');

    origin.locks.request = () => Promise.reject(new Error('SecurityError'));
    expect(await two.tokens.obtain(async () => 'another', false)).toBe('another');
  });

  it('does not call a callback twice that failed, and lets the next tab try', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    let calls = 0;
    const failing = (): Promise<never> => {
      calls += 1;
      return Promise.reject(new Error('503'));
    };
    await expect(one.tokens.obtain(failing, false)).rejects.toThrow('503');
    expect(calls).toBe(1);
    expect(await two.tokens.obtain(async () => 'token', false)).toBe('token');
  });

  it('tells nobody that somebody has logged out', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    expect(await one.tokens.obtain(async () => null, true)).toBeNull();
    await settled();
    expect(two.refreshed).toEqual([]);
  });

  it('takes nothing for a token that is none', async () => {
    const origin = new FakeOrigin();
    const { refreshed } = open(origin);
    const channel = origin.channel('ws-auth:ada');
    for (const message of [null, 'token', { token: 1, at: 1 }, { token: 'x' }, { token: 'x', at: 1 }])
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has one origin
      channel.postMessage(typeof message === 'object' ? { ...message, isRefresh: true } : message);
    await settled();
    expect(refreshed).toEqual([]);
  });
});
