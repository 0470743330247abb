import { describe, expect, it } from 'vitest';
import type { RefusalExplanation } from '../../../lib/core/audit/explanation-book.js';
import { ExplanationService } from '../../../lib/core/audit/explanation-service.js';
import type { Notice } from '../../../lib/core/notice-board.js';

const ID = 'aaaaaaaaaaaa';
const explanation = { rule: 'OR-02', why: 'x.', fix: 'y.', event: {} } as unknown as RefusalExplanation;

/** A node that knows these, and what it publishes. */
function openNode(node: string, known: Record<string, RefusalExplanation> = {}) {
  const published: Notice[] = [];
  let listener: (notice: Notice) => void = () => {};
  const service = new ExplanationService({
    node,
    book: { explain: (id: string) => known[id] ?? null } as never,
    notices: {
      publish: async (notice) => void published.push(notice),
      follow: (follower) => (listener = follower),
    },
  });
  return { service, published, hear: (notice: Notice) => listener(notice) };
}

describe('ExplanationService', () => {
  it('asks nobody for what it knows itself', async () => {
    const { service, published } = openNode('a', { [ID]: explanation });
    expect(await service.explain(ID)).toBe(explanation);
    expect(published).toEqual([]);
  });

  it('asks the others, and takes the first answer that is for it', async () => {
    const { service, published, hear } = openNode('a');
    const asked = service.explain(ID);
    expect(published).toEqual([{ kind: 'explain', id: ID, node: 'a' }]);
    hear({ kind: 'explained', id: ID, node: 'b', explanation });
    hear({ kind: 'explained', id: 'bbbbbbbbbbbb', node: 'a', explanation });
    hear({ kind: 'explained', id: ID, node: 'a', explanation });
    expect(await asked).toBe(explanation);
  });

  it('answers who asks for what it knows, and nobody else', () => {
    const { published, hear } = openNode('a', { [ID]: explanation });
    hear({ kind: 'explain', id: 'bbbbbbbbbbbb', node: 'b' });
    hear({ kind: 'explain', id: ID, node: 'b' });
    expect(published).toEqual([{ kind: 'explained', id: ID, node: 'b', explanation }]);
  });

  it('asks once for all who ask for one id', async () => {
    const { service, published, hear } = openNode('a');
    const asked = Array.from({ length: 1_000 }, () => service.explain(ID));
    expect(published).toHaveLength(1);
    hear({ kind: 'explained', id: ID, node: 'a', explanation });
    expect(new Set(await Promise.all(asked))).toEqual(new Set([explanation]));
  });

  it('gives up after half a second', async () => {
    const started = performance.now();
    expect(await openNode('a').service.explain(ID)).toBeNull();
    expect(performance.now() - started).toBeGreaterThan(400);
  });

  it('asks nobody for what is no correlation id', async () => {
    const { service, published } = openNode('a');
    for (const id of ['', '*', 'x'.repeat(1_000), '{}']) expect(await service.explain(id)).toBeNull();
    expect(published).toEqual([]);
  });

  it('has at most 100 questions out', async () => {
    const { service, published } = openNode('a');
    const asked = Array.from({ length: 150 }, (_, index) => service.explain(`${index}`.padStart(12, 'a')));
    expect(published).toHaveLength(100);
    expect(await Promise.all(asked)).toEqual(Array(150).fill(null));
  });
});
