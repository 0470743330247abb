import { describe, expect, it } from 'vitest';
import { RegisteredPlaces } from '../../lib/redis/registered-places.js';
import { fakeClock } from '../support/fake-clock.js';

const RENEW_MS = 1_000;

describe('RegisteredPlaces', () => {
  it('names the users whose registration is due, and once each', () => {
    const clock = fakeClock();
    const places = new RegisteredPlaces(clock, RENEW_MS);
    places.add('1', 'ada');
    places.add('2', 'ada');
    clock.advance(RENEW_MS - 1);
    places.add('3', 'bob');
    expect(places.dueUsers(10)).toEqual([]);
    clock.advance(1);
    expect(places.dueUsers(10)).toEqual(['ada']);
    expect(places.dueUsers(10)).toEqual([]);
    clock.advance(RENEW_MS - 1);
    expect(places.dueUsers(10)).toEqual(['bob']);
  });

  it('names so many at a time, the longest waiting first', () => {
    const clock = fakeClock();
    const places = new RegisteredPlaces(clock, RENEW_MS);
    for (const user of ['a', 'b', 'c']) places.add(user, user);
    clock.advance(RENEW_MS);
    expect([places.dueUsers(2), places.dueUsers(2), places.dueUsers(2)]).toEqual([['a', 'b'], ['c'], []]);
  });

  it('starts anew for a place that was registered again, and forgets one that was given back', () => {
    const clock = fakeClock();
    const places = new RegisteredPlaces(clock, RENEW_MS);
    places.add('1', 'ada');
    places.add('2', 'bob');
    clock.advance(RENEW_MS);
    places.add('1', 'ada');
    places.delete('2');
    expect(places.dueUsers(10)).toEqual([]);
    expect([places.has('1'), places.has('2'), places.size]).toEqual([true, false, 1]);
  });
});
