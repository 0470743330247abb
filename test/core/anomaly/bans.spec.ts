import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Bans } from '../../../lib/core/anomaly/bans.js';
import type { AuditEvent } from '../../../lib/core/audit/audit-event.js';
import { AuditLog } from '../../../lib/core/audit/audit-log.js';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import type { BanNotice, Notice } from '../../../lib/core/notice-board.js';
import { MemoryAnomalyStore } from '../../../lib/memory/memory-anomaly-store.js';
import { fakeClock } from '../../support/fake-clock.js';

const ADDRESS = '203.0.113.9';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const banOf = (changes: Partial<BanNotice> = {}): BanNotice => ({
  prefix: ADDRESS,
  remainingMs: 60_000,
  reason: 'ticketReplayed',
  isAutomatic: true,
  ...changes,
});

/** The bans of one node before a store. */
function openBans(options: { neverBan?: readonly string[]; ipv6Prefix?: number } = {}) {
  const clock = fakeClock();
  const store = new MemoryAnomalyStore(clock);
  const audit = new AuditLog({ clock, node: 'n', referenceKey: createSecretKey(Buffer.alloc(32, 1)) });
  const events: AuditEvent[] = [];
  audit.subscribe((event) => void events.push(event));
  const spared = new Set<string>();
  const errors: unknown[] = [];
  let hear: (notice: Notice) => void = () => {};
  const bans = new Bans({
    store,
    notices: { publish: async () => {}, follow: (listener) => (hear = listener) },
    audit,
    clock,
    ipv6Prefix: options.ipv6Prefix ?? 64,
    neverBan: options.neverBan ?? [],
    isSpared: (prefix) => spared.has(prefix),
    onError: (error) => void errors.push(error),
  });
  const told = (): string[] => events.map(({ event, reasonCode }) => `${event} ${reasonCode}`);
  return { bans, store, clock, spared, errors, told, hear: (notice: Notice) => hear(notice) };
}

describe('what rules never ban (CR-05)', () => {
  it.each([
    ['a trusted proxy by its IPv6 address', '2001:db8:0:0:0:0:0:5', '2001:db8:0:0:0:0:0:0/64'],
    ['a network that is smaller than a prefix', '2001:db8:0:0:8000::/66', '2001:db8:0:0:0:0:0:0/64'],
    ['a network that is larger', '2001:db8::/32', '2001:db8:7:0:0:0:0:0/64'],
    ['an IPv4 network', '203.0.113.0/24', ADDRESS],
    ['a mapped IPv4 address', '::ffff:203.0.113.9', ADDRESS],
  ])('%s', async (_, entry, prefix) => {
    const { bans, hear, store } = openBans({ neverBan: [entry] });
    expect(bans.banByRule(prefix, 60_000, 'x')).toBe(false);
    await store.ban(banOf({ prefix }));
    hear({ kind: 'ban', ban: banOf({ prefix }) });
    expect(bans.remaining(prefix)).toBe(0);
  });

  it('loopback, from which a proxy comes that nobody has named', () => {
    const { bans } = openBans();
    for (const prefix of ['127.0.0.1', '127.8.0.1', '0:0:0:0:0:0:0:0/64'])
      expect(bans.banByRule(prefix, 60_000, 'x')).toBe(false);
    expect(bans.banByRule('2001:db8:0:0:0:0:0:0/64', 60_000, 'x')).toBe(true);
  });
});

describe('Bans', () => {
  it('takes back what another node has banned by a rule, when it has missed the notice (CR-05)', async () => {
    const { bans, store, spared, told } = openBans();
    spared.add(ADDRESS);
    await store.ban(banOf());
    await bans.reload();
    await turn();
    expect(bans.remaining(ADDRESS)).toBe(0);
    expect(await bans.list()).toEqual([]);
    expect(told()).toEqual(['address_unbanned logged_in']);
  });

  it('tells of it once, however often and by how many it is taken back', async () => {
    const { store, spared, told, hear } = openBans();
    spared.add(ADDRESS);
    await store.ban(banOf());
    for (let times = 0; times < 5; times += 1) hear({ kind: 'ban', ban: banOf() });
    await turn();
    expect(told()).toEqual(['address_unbanned logged_in']);
  });

  it('takes back no ban by an operator, whatever is said of a rule', async () => {
    const { bans, spared, told, hear } = openBans();
    await bans.ban(ADDRESS, 60_000);
    spared.add(ADDRESS);
    hear({ kind: 'ban', ban: banOf() });
    await turn();
    expect(bans.remaining(ADDRESS)).toBe(60_000);
    expect(await bans.list()).toMatchObject([{ isAutomatic: false }]);
    expect(told()).toEqual(['address_banned operator']);
  });

  it('keeps what is banned and lifted while the store is read', async () => {
    const { bans, store, hear } = openBans();
    await store.ban(banOf({ prefix: '192.0.2.1' }));
    let answer = (): void => {};
    const read = store.bans.bind(store);
    store.bans = async () => {
      const known = await read();
      await new Promise<void>((resolve) => (answer = resolve));
      return known;
    };
    const reloaded = bans.reload();
    await turn();
    await bans.ban('192.0.2.2', 60_000);
    hear({ kind: 'ban', ban: banOf() });
    hear({ kind: 'lift', prefix: '192.0.2.1' });
    answer();
    await reloaded;
    expect(bans.remaining(ADDRESS)).toBe(60_000);
    expect(bans.remaining('192.0.2.1')).toBe(0);
  });

  it('gives the store what it has not got while it was away', async () => {
    const { bans, store, clock, errors } = openBans();
    const ban = store.ban.bind(store);
    store.ban = () => Promise.reject(new StoreUnavailable('away'));
    await expect(bans.ban('192.0.2.1', 60_000)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(bans.banByRule(ADDRESS, 60_000, 'x')).toBe(true);
    await turn();
    await bans.reload();
    clock.advance(10_000);
    store.ban = ban;
    await bans.reload();
    expect((await bans.list()).toSorted((a, b) => a.prefix.localeCompare(b.prefix))).toMatchObject([
      { prefix: '192.0.2.1', remainingMs: 50_000, isAutomatic: false },
      { prefix: ADDRESS, remainingMs: 50_000, isAutomatic: true },
    ]);
    expect([bans.remaining(ADDRESS), bans.remaining('192.0.2.1')]).toEqual([50_000, 50_000]);
    await bans.lift(ADDRESS);
    await bans.reload();
    expect(bans.remaining(ADDRESS)).toBe(0);
    expect(errors).toEqual([]);
  });

  it('loses no ban by an operator to somebody with many addresses', async () => {
    const { bans } = openBans();
    await bans.ban(ADDRESS, 60_000);
    for (let host = 0; host < 12_000; host += 1)
      bans.banByRule(`10.0.${host >> 8}.${host & 255}`, 60_000, 'x');
    expect(bans.size).toBe(10_000);
    expect(bans.remaining(ADDRESS)).toBe(60_000);
    expect(bans.remaining('10.0.46.223')).toBe(60_000);
  });

  it('says so when there is no room for another one by an operator', async () => {
    const { bans } = openBans();
    for (let host = 0; host < 10_000; host += 1) await bans.ban(`10.0.${host >> 8}.${host & 255}`, 60_000);
    await expect(bans.ban(ADDRESS, 60_000)).rejects.toThrow('too many bans');
  });
});
