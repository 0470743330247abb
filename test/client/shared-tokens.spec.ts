import { describe, expect, it } from 'vitest';
import { shareTokens, type SharedTokens } from '../../lib/client/shared-tokens.js';
import { FakeHost, FakeOrigin, settled } from './support/fake-host.js';

const WAIT_MS = 15_000;

const { signal } = new AbortController();

function open(origin: FakeOrigin | undefined, owner = 'ada', audience = 'wss://api.example') {
  const host = new FakeHost(origin);
  const refreshed: string[] = [];
  const tokens = shareTokens(host, audience, owner, WAIT_MS, (token) => refreshed.push(token));
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
    const got = Promise.all(tabs.map(({ tokens }) => tokens.get(fetch, false, signal)));
    await settled();
    expect(answers).toHaveLength(1);
    answers[0]!('token');
    expect(await got).toEqual(['token', 'token', 'token']);
  });

  it('hands the token of a refresh to tabs that did not ask, once, and that of a new connection to none', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    await one.tokens.get(async () => 'for a connection', false, signal);
    await one.tokens.get(async () => 'for a refresh', true, signal);
    await settled();
    expect([one.refreshed, two.refreshed]).toEqual([[], ['for a refresh']]);
  });

  it('gives no tab a token that it has used already, or that is old', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    expect(await one.tokens.get(async () => 'first', false, signal)).toBe('first');
    expect(await two.tokens.get(async () => 'second', false, signal)).toBe('first');
    expect(await two.tokens.get(async () => 'second', false, signal)).toBe('second');
    one.host.sleep(60_000);
    expect(await one.tokens.get(async () => 'third', false, signal)).toBe('third');
  });

  it('takes for a refresh no token that was fetched before it was wanted', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    await one.tokens.get(async () => 'before', false, signal);
    await settled();
    two.host.sleep(1);
    expect(await two.tokens.get(async () => 'after', true, signal)).toBe('after');
  });

  it('shares with nobody who names another owner, and not at all without a name', async () => {
    const origin = new FakeOrigin();
    const [ada, bob] = [open(origin, 'ada'), open(origin, 'bob')];
    await ada.tokens.get(async () => 'of ada', true, signal);
    expect(await bob.tokens.get(async () => 'of bob', false, signal)).toBe('of bob');
    expect(bob.refreshed).toEqual([]);
    expect(open(origin, '').tokens).toBeUndefined();
  });

  it('sends the token of one server to no other', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin, 'ada', 'wss://other.example')];
    await one.tokens.get(async () => 'for one', true, signal);
    expect(await two.tokens.get(async () => 'for two', false, signal)).toBe('for two');
    expect(two.refreshed).toEqual([]);
  });

  it('calls no callback for a wait that is given up', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    const over = new AbortController();
    void one.tokens.get(() => new Promise(() => {}), false, signal);
    let calls = 0;
    const got = two.tokens.get(async () => `${(calls += 1)}`, false, over.signal);
    await settled();
    over.abort();
    await expect(got).rejects.toThrow();
    expect([calls, two.host.waiting]).toEqual([0, 0]);
  });

  it('leaves each tab on its own where there are no locks or no channels', () => {
    expect(open(undefined).tokens).toBeUndefined();
  });

  it('fetches by itself when the tab with the lock hangs, or there is no lock to be had', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    void one.tokens.get(() => new Promise(() => {}), false, signal);
    const got = two.tokens.get(async () => 'own', false, signal);
    await two.host.advance(WAIT_MS);
    expect(await got).toBe('own');

    origin.locks.request = () => Promise.reject(new Error('SecurityError'));
    expect(await two.tokens.get(async () => 'another', false, signal)).toBe('another');
  });

  it('does not call a callback twice that failed, and lets the next tab try', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    let calls = 0;
    const failing = (): Promise<never> => {
      calls += 1;
      return Promise.reject(new Error('503'));
    };
    await expect(one.tokens.get(failing, false, signal)).rejects.toThrow('503');
    expect(calls).toBe(1);
    expect(await two.tokens.get(async () => 'token', false, signal)).toBe('token');
  });

  it('tells nobody that somebody has logged out', async () => {
    const origin = new FakeOrigin();
    const [one, two] = [open(origin), open(origin)];
    expect(await one.tokens.get(async () => null, true, signal)).toBeNull();
    await settled();
    expect(two.refreshed).toEqual([]);
  });

  it('takes nothing for a token that is none', async () => {
    const origin = new FakeOrigin();
    const { refreshed } = open(origin);
    const channel = origin.channel('ws-auth:wss://api.example ada');
    for (const message of [null, 'token', { token: 1, at: 1 }, { token: 'x' }, { token: 'x', at: 1 }])
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has one origin
      channel.postMessage(typeof message === 'object' ? { ...message, isRefresh: true } : message);
    await settled();
    expect(refreshed).toEqual([]);
  });
});
