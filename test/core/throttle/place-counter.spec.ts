import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlaceCounter } from '../../../lib/core/throttle/place-counter.js';

/** Takes a place that must be there. */
function take(counter: PlaceCounter, prefix: string): () => void {
  const place = counter.take(prefix);
  if (typeof place === 'string') throw new Error(`no place: ${place}`);
  return place;
}

describe('PlaceCounter', () => {
  describe('take', () => {
    it('gives every place of an address, and refuses one more (HS-03)', () => {
      const counter = new PlaceCounter(10, 2);
      take(counter, 'a');
      take(counter, 'a');
      expect(counter.take('a')).toBe('address');
      expect(counter.total).toBe(2);
    });

    it('gives every place of the node, and refuses one more of anybody (HS-03)', () => {
      const counter = new PlaceCounter(3, 2);
      for (const prefix of ['a', 'a', 'b']) take(counter, prefix);
      expect(counter.take('c')).toBe('node');
      expect(counter.take('a')).toBe('node');
      expect(counter.total).toBe(3);
    });

    it('gives a place again that was given back', () => {
      const counter = new PlaceCounter(1, 1);
      const giveBack = take(counter, 'a');
      expect(counter.take('b')).toBe('node');
      giveBack();
      expect(counter.total).toBe(0);
      take(counter, 'b');
      expect(counter.total).toBe(1);
    });

    it('goes on counting an address of which one has left', () => {
      const counter = new PlaceCounter(10, 2);
      const giveBack = take(counter, 'a');
      take(counter, 'a');
      giveBack();
      take(counter, 'a');
      expect(counter.take('a')).toBe('address');
      expect(counter.total).toBe(2);
    });

    it('takes a place back once, however often it is given', () => {
      const counter = new PlaceCounter(2, 2);
      const giveBack = take(counter, 'a');
      take(counter, 'a');
      giveBack();
      giveBack();
      expect(counter.total).toBe(1);
      take(counter, 'a');
      expect(counter.take('a')).toBe('node');
    });

    it('takes an address for what it is, whatever its name', () => {
      const counter = new PlaceCounter(10, 1);
      for (const prefix of ['__proto__', 'constructor', '']) {
        take(counter, prefix);
        expect(counter.take(prefix)).toBe('address');
      }
    });

    it('counts right whoever comes and goes, and ends at zero (HS-04)', () => {
      const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean()), { maxLength: 100 });
      fc.assert(
        fc.property(steps, (sequence) => {
          const counter = new PlaceCounter(5, 3);
          const held: { prefix: string; giveBack: () => void }[] = [];
          for (const [prefix, comes] of sequence) {
            const ofPrefix = held.filter((place) => place.prefix === prefix);
            if (comes) {
              const place = counter.take(prefix);
              const expected = held.length >= 5 ? 'node' : ofPrefix.length >= 3 ? 'address' : 'function';
              expect(typeof place === 'string' ? place : typeof place).toBe(expected);
              if (typeof place === 'function') held.push({ prefix, giveBack: place });
            } else if (ofPrefix[0]) {
              ofPrefix[0].giveBack();
              held.splice(held.indexOf(ofPrefix[0]), 1);
            }
            expect(counter.total).toBe(held.length);
          }
          for (const { giveBack } of held) giveBack();
          expect(counter.total).toBe(0);
        }),
      );
    });
  });
});
