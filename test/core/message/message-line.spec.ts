import { beforeEach, describe, expect, it } from 'vitest';
import { MessageLine, type LineOwner } from '../../../lib/core/message/message-line.js';

/** Runs a message until the test says that it is over. */
class Owner implements LineOwner<number> {
  readonly begun: number[] = [];
  readonly ends = new Map<number, () => void>();
  reading: ('pause' | 'resume')[] = [];
  drained = 0;
  isFenced = false;
  isCongested = false;
  clears: (() => void)[] = [];
  isSync = false;

  handle(message: number): Promise<void> | void {
    this.begun.push(message);
    if (this.isSync) return;
    return new Promise((resolve) => this.ends.set(message, resolve));
  }
  pauseReading(): void {
    this.reading.push('pause');
  }
  resumeReading(): void {
    this.reading.push('resume');
  }
  whenClear(goOn: () => void): void {
    this.clears.push(goOn);
  }
  lineDrained(): void {
    this.drained += 1;
  }

  async end(message: number): Promise<void> {
    this.ends.get(message)!();
    await Promise.resolve();
    await Promise.resolve();
  }
}

describe('MessageLine', () => {
  let owner: Owner;

  beforeEach(() => {
    owner = new Owner();
  });

  const line = (concurrency = 1, maxQueued = 4): MessageLine<number> =>
    new MessageLine(owner, { concurrency, maxQueued });
  const fill = (into: MessageLine<number>, count: number): void => {
    for (let message = 1; message <= count; message += 1) into.push(message);
  };

  it('begins the next message when the one before it is over, in order (MS-07)', async () => {
    fill(line(), 3);
    expect(owner.begun).toEqual([1]);
    await owner.end(1);
    expect(owner.begun).toEqual([1, 2]);
    await owner.end(2);
    expect(owner.begun).toEqual([1, 2, 3]);
  });

  it('runs as many at once as it may (TH-10)', async () => {
    fill(line(2), 4);
    expect(owner.begun).toEqual([1, 2]);
    await owner.end(2);
    expect(owner.begun).toEqual([1, 2, 3]);
  });

  it('begins all at once where nothing bounds it', () => {
    fill(line(Infinity), 100);
    expect(owner.begun).toHaveLength(100);
    expect(owner.reading).toEqual([]);
  });

  it('stops reading when it is full, drops nothing that still comes, and reads on at half (TH-10)', async () => {
    const full = line(1, 4);
    fill(full, 8);
    expect(owner.reading).toEqual(['pause']);
    expect(full.queued).toBe(7);
    for (let message = 1; message <= 4; message += 1) await owner.end(message);
    expect(owner.reading).toEqual(['pause']);
    await owner.end(5);
    expect(owner.reading).toEqual(['pause', 'resume']);
    for (let message = 6; message <= 8; message += 1) await owner.end(message);
    expect(owner.begun).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('says when nothing waits any more', async () => {
    fill(line(), 2);
    expect(owner.drained).toBe(0);
    await owner.end(1);
    expect(owner.drained).toBe(1);
  });

  it('lets go of what waits when its owner is fenced, and reads on so that the Close is heard (SE-02)', async () => {
    fill(line(1, 2), 5);
    owner.isFenced = true;
    await owner.end(1);
    expect(owner.begun).toEqual([1]);
    expect(owner.reading).toEqual(['pause', 'resume']);
  });

  it('begins nothing while its peer does not read the answers, and goes on when it does (TH-05)', async () => {
    const slow = line(Infinity, 4);
    fill(slow, 1);
    owner.isCongested = true;
    for (const message of [2, 3, 4, 5, 6]) slow.push(message);
    await owner.end(1);
    expect(owner.begun).toEqual([1]);
    expect(owner.reading).toEqual(['pause']);
    expect(owner.clears).toHaveLength(1);
    owner.isCongested = false;
    slow.push(7);
    expect(owner.begun).toEqual([1]);
    owner.clears[0]!();
    expect(owner.begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(owner.reading).toEqual(['pause', 'resume']);
  });

  it('gets through thousands that are done with at once', async () => {
    const long = line(1, 1_000_000);
    fill(long, 1);
    owner.isSync = true;
    for (let message = 2; message <= 20_000; message += 1) long.push(message);
    await owner.end(1);
    expect(owner.begun).toHaveLength(20_000);
    expect(owner.begun.at(-1)).toBe(20_000);
    expect(long.queued).toBe(0);
  });

  it('keeps order over many that wait and come', async () => {
    const busy = line(1, 1_000);
    let next = 1;
    for (; next <= 50; next += 1) busy.push(next);
    for (let over = 1; over <= 150; over += 1) {
      await owner.end(over);
      if (next <= 150) busy.push(next++);
    }
    expect(owner.begun).toEqual(Array.from({ length: 150 }, (_, index) => index + 1));
  });
});
