import { describe, expect, it } from 'vitest';
import { OrderAnswers } from '../../lib/redis/order-answers.js';

const nodes = (...names: string[]): ReadonlySet<string> => new Set(names);

describe('OrderAnswers', () => {
  it('adds up what the nodes that were asked have answered (SE-01)', async () => {
    const answers = new OrderAnswers();
    answers.open('n');
    answers.expect('n', nodes('a', 'b'));
    const result = answers.collect('n', 10_000);
    answers.note('n', 'a', 2);
    answers.note('n', 'b', 3);
    expect(await result).toEqual({ sockets: 5, nodes: 2, pending: 0 });
  });

  it('adds what was hit on this node before the store was asked (SE-01)', async () => {
    const answers = new OrderAnswers();
    answers.open('n', 4);
    answers.expect('n', nodes('a', 'b'));
    const result = answers.collect('n', 10_000);
    answers.note('n', 'a', 0);
    answers.note('n', 'b', 3);
    expect(await result).toEqual({ sockets: 7, nodes: 2, pending: 0 });
  });

  it('counts an answer that is faster than the reply of the store (SE-01)', async () => {
    const answers = new OrderAnswers();
    answers.open('n');
    answers.note('n', 'b', 3);
    answers.expect('n', nodes('b'));
    expect(await answers.collect('n', 10_000)).toEqual({ sockets: 3, nodes: 1, pending: 0 });
  });

  it('counts a node once, however often it answers, and none that was not asked', async () => {
    const answers = new OrderAnswers();
    answers.open('n');
    answers.expect('n', nodes('a', 'b'));
    for (const node of ['a', 'a', 'stranger', 'b']) answers.note('n', node, 1);
    expect(await answers.collect('n', 10_000)).toEqual({ sockets: 2, nodes: 2, pending: 0 });
  });

  it('waits no longer than it is told, and says how many are missing', async () => {
    const answers = new OrderAnswers();
    answers.open('n');
    answers.expect('n', nodes('a', 'b', 'c'));
    answers.note('n', 'a', 4);
    expect(await answers.collect('n', 1)).toEqual({ sockets: 4, nodes: 1, pending: 2 });
  });

  it('knows nothing of an order that was never given', async () => {
    const answers = new OrderAnswers();
    answers.note('n', 'a', 1);
    answers.expect('n', nodes('a'));
    expect(await answers.collect('n', 10_000)).toEqual({ sockets: 0, nodes: 0, pending: 0 });
  });
});
