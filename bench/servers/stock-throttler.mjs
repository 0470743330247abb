import { UseGuards } from '@nestjs/common';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import { makeEchoGateway } from './echo-gateway.mjs';

const UNREACHED = 1_000_000_000;
/**
 * A second is "short" in its README, a minute what its first example has. The storage keeps each hit for as long, and walks those
 * of a client with every hit: with a limit that is not reached, a minute is a walk over all that the bench has ever sent.
 */
const TTL_MS = Number(process.env.BENCH_WINDOW_MS ?? 1_000);

/** A guard as "Websockets" in the README of @nestjs/throttler has it, for ws. */
class WsThrottlerGuard extends ThrottlerGuard {
  async handleRequest({ context, limit, ttl, throttler, blockDuration, generateKey }) {
    const client = context.switchToWs().getClient();
    const tracker = client._socket.remoteAddress;
    const key = generateKey(context, tracker, throttler.name);
    const { totalHits, timeToExpire, isBlocked, timeToBlockExpire } = await this.storageService.increment(
      key,
      ttl,
      limit,
      blockDuration,
      throttler.name,
    );
    if (isBlocked) {
      await this.throwThrottlingException(context, {
        limit,
        ttl,
        key,
        tracker,
        totalHits,
        timeToExpire,
        isBlocked,
        timeToBlockExpire,
      });
    }
    return true;
  }
}

/** A module with that guard on its gateway, and a limit that is not reached. */
export function throttlerModule() {
  return {
    imports: [ThrottlerModule.forRoot({ throttlers: [{ ttl: TTL_MS, limit: UNREACHED }] })],
    providers: [makeEchoGateway(UseGuards(WsThrottlerGuard)), WsThrottlerGuard],
  };
}
