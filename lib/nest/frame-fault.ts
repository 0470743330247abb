import { CLOSE } from '../core/close-code.js';
import type { Ending } from '../core/connection.js';

/** The ways in which a peer breaks the rules of the frame layer, and how its connection ends. */
export const FRAME_FAULT = {
  protocol: { close: { code: 1002, word: 'protocol_error' }, reason: 'protocol_error' },
  badText: { close: { code: 1007, word: 'bad_text' }, reason: 'bad_text' },
  tooManyParts: { close: { code: 1008, word: 'too_many_parts' }, reason: 'too_many_parts' },
  tooSlow: { close: { code: 1008, word: 'message_timeout' }, reason: 'message_timeout' },
  controlFlood: { close: { code: 1008, word: 'control_flood' }, reason: 'control_flood' },
  tooBig: { close: CLOSE.tooBig, reason: 'message_too_big' },
} as const satisfies Record<string, Ending>;

const FAULT_OF_CODE: ReadonlyMap<string, Ending> = new Map<string, Ending>([
  ['WS_ERR_INVALID_UTF8', FRAME_FAULT.badText],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', FRAME_FAULT.tooManyParts],
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', FRAME_FAULT.tooBig],
  ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', FRAME_FAULT.tooBig],
]);

/** How a connection ends about which ws tells this error. @returns `undefined` when the error is not the peer's doing */
export function faultOfError(error: unknown): Ending | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code !== 'string') return undefined;
  const fault = FAULT_OF_CODE.get(code);
  if (fault) return fault;
  if (code.startsWith('WS_ERR_')) return FRAME_FAULT.protocol;
  // What the peer compressed cannot be inflated: RFC 7692 leaves the code open, ws closes 1007.
  return code.startsWith('Z_') ? FRAME_FAULT.badText : undefined;
}
