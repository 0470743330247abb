import { WS_AUTH_ROLES } from '../ws-auth.constants.js';
import { addRule, joinEntries } from './add-rule.js';

/**
 * Asks for roles: all that are named. On a gateway, nobody without them connects (403, or close 4403) or stays, and its
 * handlers ask for them too; on a handler, its own list stands instead. Held against the live principal for each message.
 * On controllers behind `WsAuthHttpGuard` it means the same.
 *
 * Without a name it says that whoever is authenticated may, on purpose: what `strict` wants to hear.
 */
export function WsRoles(...roles: string[]): MethodDecorator & ClassDecorator {
  return addRule<readonly string[]>(WS_AUTH_ROLES, (below) => joinEntries(roles, below));
}
