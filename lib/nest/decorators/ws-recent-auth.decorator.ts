import { readDurationMs } from '../../core/authorization/duration.js';
import { WS_AUTH_RECENT_AUTH } from '../ws-auth.constants.js';
import { addRule } from './add-rule.js';

/**
 * Asks that the user has authenticated lately: logged in, or proved anew who it is. A message that comes too late for that
 * waits while the client is asked for a fresh credential (`auth.required` with the reason `step_up`), and is answered by an
 * `exception` with the code `step_up_required` when none comes. On a gateway, of all its messages, not of the handshake; on
 * a handler, its own time stands instead. A controller behind `WsAuthHttpGuard` answers 401 with the challenge of RFC 9470.
 *
 * ```ts
 * @WsRecentAuth('5m')
 * ```
 *
 * @param maxAge `'90s'`, `'5m'`, `'2h'`, `'1d'`, or milliseconds
 * @throws {WsAuthOptionsError} at boot, when it is none of these
 * @see RFC 9470
 */
export function WsRecentAuth(maxAge: string | number): MethodDecorator & ClassDecorator {
  return addRule<string | number>(WS_AUTH_RECENT_AUTH, (below) =>
    below === undefined || timeOf(maxAge) <= timeOf(below) ? maxAge : below,
  );
}

/** What is no time comes before all others: it stops the boot. */
function timeOf(maxAge: string | number): number {
  return readDurationMs(maxAge) ?? 0;
}
