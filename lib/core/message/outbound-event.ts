import { isReservedEvent } from './envelope.js';

const PREFIX = '{"event":"';
const MAX_EVENT_LENGTH = 128;

/**
 * The event of a message that is about to be sent, read off its beginning: parsing what was just written would cost more
 * than sending it.
 *
 * @returns `undefined` for what does not begin as `JSON.stringify({ event, data })` does
 */
export function eventOfText(text: string): string | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  const end = text.indexOf('"', PREFIX.length);
  if (end < 0 || end - PREFIX.length > MAX_EVENT_LENGTH) return undefined;
  const event = text.slice(PREFIX.length, end);
  return event.includes('\\') ? undefined : event;
}

/** True for frames of the library's own, each of which says something that no later one says again. */
export function isLibraryEvent(event: string): boolean {
  return event === 'exception' || event === 'rate' || isReservedEvent(event);
}
