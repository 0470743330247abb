import { EMPTY } from 'rxjs';
import type { MessageMappingProperties } from '@nestjs/websockets';
import { mayBeAuthFrame } from '../core/handshake/auth-frame.js';
import { isReservedEvent, readEnvelope, type Envelope } from '../core/message/envelope.js';
import {
  findStructureOffence,
  hasForbiddenKey,
  mayHoldForbiddenKey,
  type JsonLimits,
} from '../core/message/json-limits.js';
import type { GuardedSocket } from './guarded-socket.js';

/**
 * What a text frame is before an adapter of the application's own reads it: `theirs` in all formats, unless it is JSON that
 * breaks the limits of structure, a frame of the library's, or may be one with a slip in it.
 */
export type OwnFrame = 'theirs' | 'forbidden' | 'malformed' | Envelope;

/** Looks for what the application's adapter must not see. What is no JSON is for the adapter to read. */
export function readOwnFrame(text: string, limits: JsonLimits): OwnFrame {
  if (!/^\s*[[{]/.test(text)) return 'theirs';
  if (findStructureOffence(text, limits)) return 'forbidden';
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return mayBeAuthFrame(text) ? 'malformed' : 'theirs';
  }
  if (mayHoldForbiddenKey(text) && hasForbiddenKey(parsed)) return 'forbidden';
  const envelope = readEnvelope(parsed);
  return envelope && isReservedEvent(envelope.event) ? envelope : 'theirs';
}

/**
 * The handlers of a gateway as the application's adapter is given them. A call takes its place in the line of its socket,
 * behind fence, limits and the messages before it; what the handler returns goes back to the adapter, which writes the reply.
 * A call that is refused comes back empty.
 */
export function handlersInLine(
  client: GuardedSocket,
  handlers: readonly MessageMappingProperties[],
): MessageMappingProperties[] {
  return handlers.map((handler) => ({ ...handler, callback: inLine(client, handler) }));
}

function inLine(
  client: GuardedSocket,
  { message, callback }: MessageMappingProperties,
): MessageMappingProperties['callback'] {
  const call = callback as (...args: unknown[]) => unknown;
  return (...args: unknown[]) =>
    new Promise<unknown>((resolve) => {
      const refused = (): void => resolve(EMPTY);
      const { inbox } = client;
      // Nothing has come in that a handler could be called for.
      if (!inbox) return refused();
      const handler = async (): Promise<void> => {
        try {
          resolve(await call(...args));
        } catch (error) {
          refused();
          throw error;
        }
      };
      inbox.push({ event: message, data: args[0], bytes: inbox.lastFrameBytes, handler, refused });
    });
}
