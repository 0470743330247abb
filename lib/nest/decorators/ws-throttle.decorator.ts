import { SetMetadata } from '@nestjs/common';
import type { ThrottleLimit } from '../../core/throttle/throttle-limit.js';
import { WS_AUTH_SKIP_THROTTLE, WS_AUTH_THROTTLE } from '../ws-auth.constants.js';

/**
 * Limits how many messages are handled. On a gateway, all its messages count together; on a handler, those of its event. A
 * limit of the handler stands instead of the gateway's of the same name, and that instead of the module's. What is over a
 * limit is not handled: the client gets a `rate` notice, and is closed 4429 when it goes on.
 *
 * ```ts
 * @WsThrottle({ limit: 5, windowMs: 10_000 }, { name: 'upload', bytes: 1_048_576, windowMs: 60_000, shared: true })
 * ```
 *
 * Does not replace the rates of `throttle.perConnection` and `throttle.perUser`, which count every frame.
 *
 * @throws {WsAuthOptionsError} at boot, when a limit cannot be used
 */
export function WsThrottle(...limits: ThrottleLimit[]): MethodDecorator & ClassDecorator {
  return SetMetadata(WS_AUTH_THROTTLE, Object.freeze(limits)) as MethodDecorator & ClassDecorator;
}

/**
 * Takes a gateway or a handler out of limits that stand above it: of all of them, or of those that are named `true`. What
 * a gateway skips a handler can take back by `false`.
 *
 * ```ts
 * @SkipWsThrottle()
 * @SkipWsThrottle({ default: true, upload: false })
 * ```
 */
export function SkipWsThrottle(
  names: Readonly<Record<string, boolean>> | true = true,
): MethodDecorator & ClassDecorator {
  return SetMetadata(WS_AUTH_SKIP_THROTTLE, names) as MethodDecorator & ClassDecorator;
}
