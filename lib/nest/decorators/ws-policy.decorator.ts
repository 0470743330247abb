import type { Type } from '@nestjs/common';
import type { Policy, PolicyFunction } from '../../core/authorization/policy.js';
import { WS_AUTH_POLICIES } from '../ws-auth.constants.js';
import { addRule, joinEntries } from './add-rule.js';

/** A function, or an `@Injectable()` class with a method `allows`. */
export type PolicyReference = PolicyFunction | Type<Policy>;

/**
 * Asks policies: all of them must say `true`. They run behind the guards of the application and before its pipes, are told
 * principal, connection, event and payload, and may wait. On a gateway, of all its messages, not of the handshake; on a
 * handler, its own policies stand instead; several decorators in one place add up. On controllers behind `WsAuthHttpGuard` it means the same.
 *
 * ```ts
 * @WsPolicy(({ principal, payload }) => isRoomOf(principal.tenant, payload))
 * @WsPolicy(OwnsRoom)
 * ```
 *
 * @param policies a class is a provider of the module of the gateway, or of one that this imports
 * @throws {WsAuthOptionsError} at boot, when a class is no such provider or there is no policy at all
 */
export function WsPolicy(...policies: PolicyReference[]): MethodDecorator & ClassDecorator {
  return addRule<readonly PolicyReference[]>(WS_AUTH_POLICIES, (below) => joinEntries(policies, below));
}
