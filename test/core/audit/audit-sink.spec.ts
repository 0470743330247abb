import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../../lib/core/audit/audit-event.js';
import { SinkQueue, type AuditSink } from '../../../lib/core/audit/audit-sink.js';

const eventOf = (correlationId: string): AuditEvent => ({
  ts: '2027-01-15T08:00:00.000Z',
  event: 'authn_login_success',
  outcome: 'success',
  reasonCode: 'admitted',
  node: 'n',
  correlationId,
});

/** A queue before a sink, and what was lost. */
function openQueue(write: AuditSink['write'], maxQueued?: number) {
  const lost: number[] = [];
  const sink: AuditSink = { name: 'sink', write };
  const queue = new SinkQueue({ sink, maxQueued, onDropped: (_, count) => void lost.push(count) });
  const push = (count: number): void => {
    for (let index = 0; index < count; index += 1) queue.push(eventOf(`${index}`));
  };
  return { queue, push, lost, total: () => lost.reduce((sum, count) => sum + count, 0) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('SinkQueue (LG-05)', () => {
  it('calls the sink in no turn in which an event is told', () => {
    let calls = 0;
    const { queue, push } = openQueue(() => void (calls += 1));
    push(10);
    expect(calls).toBe(0);
    expect(queue.queued).toBe(10);
  });

  it('gives everything in order, at most 100 at once', async () => {
    const batches: string[][] = [];
    const { queue, push } = openQueue(
      (events) => void batches.push(events.map(({ correlationId }) => correlationId!)),
    );
    push(250);
    await queue.flush(1_000);
    expect(batches.map(({ length }) => length)).toEqual([100, 100, 50]);
    expect(batches.flat()).toEqual(Array.from({ length: 250 }, (_, index) => `${index}`));
  });

  it('waits for a slow sink before it gives it more', async () => {
    let done = (): void => {};
    let calls = 0;
    const { queue, push } = openQueue(() => {
      calls += 1;
      return new Promise<void>((resolve) => (done = resolve));
    });
    push(150);
    await turn();
    push(1);
    await turn();
    expect(calls).toBe(1);
    done();
    await turn();
    await turn();
    expect(calls).toBe(2);
    done();
    await queue.flush(1_000);
    expect(queue.queued).toBe(0);
  });

  it('holds 10,000 for a sink that never answers, and counts the others', async () => {
    const { queue, push, total } = openQueue(() => new Promise(() => {}));
    push(1);
    await turn();
    push(10_500);
    expect(queue.queued).toBe(10_000);
    expect(total()).toBe(500);
    const started = performance.now();
    await queue.flush(20);
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('leaves nothing lying that comes while it stops', async () => {
    const written: number[] = [];
    let done = (): void => {};
    const { queue, push } = openQueue((events) => {
      written.push(events.length);
      return new Promise<void>((resolve) => (done = resolve));
    });
    push(1);
    await turn();
    done();
    // In each of the jobs that follow, one of which is between the last look at the queue and the end of the run.
    for (let job = 0; job < 8; job += 1) {
      await Promise.resolve();
      push(1);
    }
    for (let times = 0; times < 12; times += 1) {
      await turn();
      done();
    }
    expect(queue.queued).toBe(0);
    expect(written.reduce((sum, count) => sum + count, 0)).toBe(9);
  });

  it.each([0, 1, 2, 3, 4, 5, 6])(
    'begins again for what comes %i jobs after the last answer',
    async (jobs) => {
      let written = 0;
      let done = (): void => {};
      const { push } = openQueue(({ length }) => {
        written += length;
        return new Promise<void>((resolve) => (done = resolve));
      });
      push(1);
      await turn();
      done();
      for (let job = 0; job < jobs; job += 1) await Promise.resolve();
      push(1);
      await turn();
      await turn();
      done();
      expect(written).toBe(2);
    },
  );

  it('keeps the beginning and loses the end', async () => {
    const ids: string[] = [];
    const { queue, push } = openQueue(
      (events) => void ids.push(...events.map(({ correlationId }) => correlationId!)),
      3,
    );
    push(5);
    await queue.flush(1_000);
    expect(ids).toEqual(['0', '1', '2']);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('disk full');
      },
    ],
    ['rejects', () => Promise.reject(new Error('disk full'))],
  ])('counts what a sink that %s has not written, and goes on', async (_, fail) => {
    let calls = 0;
    const { queue, push, lost } = openQueue(() => {
      calls += 1;
      return calls === 1 ? fail() : undefined;
    });
    push(150);
    await queue.flush(1_000);
    expect(lost).toEqual([100]);
    expect(calls).toBe(2);
    push(1);
    await queue.flush(1_000);
    expect(calls).toBe(3);
  });
});
