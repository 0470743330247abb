import { describe, expect, it } from 'vitest';
import { RecentEntries } from '../../../lib/core/revocation/recent-entries.js';
import { isLaterEntry, UNLOGGED, type RevocationEntry } from '../../../lib/core/revocation/revocation-log.js';

function entry(id: string, partition = '0'): RevocationEntry {
  const order = { kind: 'session', sessionId: 'session', userHash: 'user' } as const;
  return { partition, id, order, cut: undefined, cutInclusive: false, reason: 'test' };
}

describe('RecentEntries', () => {
  it('answers what is later than the tail, oldest first (SE-03)', () => {
    const recent = new RecentEntries();
    for (const id of ['100-0', '100-1', '101-0', '200-0']) recent.add(entry(id));
    expect(recent.after('0', '100-0')!.map(({ id }) => id)).toEqual(['100-1', '101-0', '200-0']);
    expect(recent.after('0', '0-0')).toHaveLength(4);
    expect(recent.after('0', '200-0')).toEqual([]);
    expect(recent.after('0', '999-0')).toEqual([]);
  });

  it('finds an entry that came in before an earlier one (SE-03, SE-04)', () => {
    const recent = new RecentEntries();
    for (const id of ['100-0', '102-0', '101-0']) recent.add(entry(id));
    expect(recent.after('0', '101-0')!.map(({ id }) => id)).toEqual(['102-0']);
    expect(recent.after('0', '100-0')!.map(({ id }) => id)).toEqual(['101-0', '102-0']);
  });

  it('leaves out what stands in no log: it concerns nobody who comes (SE-06)', () => {
    const recent = new RecentEntries();
    recent.add(entry('100-0', UNLOGGED));
    recent.add(entry('101-0'));
    expect(recent.after('0', '0-0')!.map(({ id }) => id)).toEqual(['101-0']);
    expect(recent.after(UNLOGGED, '0-0')).toEqual([]);
  });

  it('answers nothing while nothing was added', () => {
    expect(new RecentEntries().after('0', '0-0')).toEqual([]);
  });

  it('keeps the latest ones, stays bounded, and says when it has forgotten', () => {
    const recent = new RecentEntries();
    for (let index = 1; index <= 10_000; index += 1) recent.add(entry(`1000-${index}`));
    expect(recent.after('0', '1000-1')).toBeNull();
    const kept = recent.after('0', '1000-7952')!;
    expect(kept.length).toBeGreaterThanOrEqual(2_048);
    expect(kept.length).toBeLessThanOrEqual(4_096);
    expect(kept.at(-1)!.id).toBe('1000-10000');
    expect(kept[0]!.id).toBe('1000-7953');
  });

  it('keeps the partitions of a store apart, whose ids have no order between them (SE-03, RD-04)', () => {
    const recent = new RecentEntries();
    recent.add(entry('500-0', 'a'));
    recent.add(entry('300-0', 'b'));
    recent.add(entry('501-0', 'a'));
    recent.add(entry('301-0', 'b'));
    expect(recent.after('a', '500-0')!.map(({ id }) => id)).toEqual(['501-0']);
    expect(recent.after('b', '0-0')!.map(({ id }) => id)).toEqual(['300-0', '301-0']);
    expect(recent.after('c', '0-0')).toEqual([]);
  });

  it('says of which partition it has forgotten entries (RD-04)', () => {
    const recent = new RecentEntries();
    recent.add(entry('50-1', 'quiet'));
    for (let index = 1; index <= 5_000; index += 1) recent.add(entry(`100-${index}`, 'busy'));
    recent.add(entry('900-2', 'quiet'));
    expect(recent.after('busy', '100-1')).toBeNull();
    expect(recent.after('quiet', '50-0')).toBeNull();
    expect(recent.after('quiet', '50-1')!.map(({ id }) => id)).toEqual(['900-2']);
    expect(recent.after('other', '0-0')).toEqual([]);
  });
});

describe('isLaterEntry', () => {
  it.each([
    ['100-0', '99-5', true],
    ['99-5', '100-0', false],
    ['100-1', '100-0', true],
    ['100-10', '100-9', true],
    ['1000-0', '999-9', true],
    ['100-0', '100-0', false],
    ['1-0', '0-0', true],
  ])('compares %s with %s by number', (id, than, expected) => {
    expect(isLaterEntry(id, than)).toBe(expected);
  });
});
