import { describe, expect, it } from 'vitest';
import { eventOfText, isLibraryEvent } from '../../../lib/core/message/outbound-event.js';

describe('eventOfText (TH-05)', () => {
  it.each(['price', 'a.b:c', 'prix €', '', 'x'.repeat(128)])('reads the event %j', (event) => {
    expect(eventOfText(JSON.stringify({ event, data: 1 }))).toBe(event);
    expect(eventOfText(JSON.stringify({ event }))).toBe(event);
  });

  it.each([
    ['text', 'price'],
    ['nothing', ''],
    ['another first key', '{"data":1,"event":"price"}'],
    ['space', '{ "event":"price"}'],
    ['an event that is no text', '{"event":1}'],
    ['an event that does not end', '{"event":"price'],
    ['an event with an escape', JSON.stringify({ event: 'a"b' })],
    ['an event with a backslash', JSON.stringify({ event: 'a\\' })],
    ['an event of 129 characters', JSON.stringify({ event: 'x'.repeat(129) })],
  ])('finds none in %s', (_, text) => {
    expect(eventOfText(text)).toBeUndefined();
  });
});

describe('isLibraryEvent', () => {
  it.each(['exception', 'rate', 'auth', 'auth.ok', 'auth.expiring'])('is true for %s', (event) => {
    expect(isLibraryEvent(event)).toBe(true);
  });

  it.each(['price', 'exceptions', 'rates', 'author', ''])('is false for %j', (event) => {
    expect(isLibraryEvent(event)).toBe(false);
  });
});
