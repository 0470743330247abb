/** A message in Nest's envelope. */
export interface Envelope {
  readonly event: string;
  readonly data: unknown;
}

/** Events that begin like this belong to the library, in both directions. */
export const RESERVED_EVENT_PREFIX = 'auth';

const MAX_EVENT_LENGTH = 128;

/** Reads a parsed message; `null` when it is not an object with an event of its own (requirement MS-03). */
export function readEnvelope(message: unknown): Envelope | null {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return null;
  if (!Object.hasOwn(message, 'event')) return null;
  const { event, data } = message as { event: unknown; data?: unknown };
  if (typeof event !== 'string' || event.length === 0 || event.length > MAX_EVENT_LENGTH) return null;
  return { event, data };
}

/** True for `auth`, `auth.refresh` and whatever else the library may come to speak. */
export function isReservedEvent(event: string): boolean {
  return event === RESERVED_EVENT_PREFIX || event.startsWith(`${RESERVED_EVENT_PREFIX}.`);
}

/** A frame of the library's own: `{"event","data"}`. */
export function frame(event: string, data: unknown): string {
  return JSON.stringify({ event, data });
}
