import type { Denial } from '../core/authorization/authorization-rules.js';
import type { Connection } from '../core/connection.js';
import { refusalOf, type MessageRefused } from './message-refused.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** Tells the audit log of a message that a rule has stopped. @returns what the client is told */
export function refuseMessage(
  { audit }: Pick<WsAuthEngine, 'audit'>,
  connection: Connection,
  denial: Denial,
): MessageRefused {
  if (denial !== 'ended') {
    audit.record({
      ...connection.facts,
      event: 'authz_fail',
      outcome: 'refused',
      reasonCode: `message_${denial}`,
    });
  }
  return refusalOf(denial);
}
