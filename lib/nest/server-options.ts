import type { ModulesContainer } from '@nestjs/core';
import type { ServerOptions } from 'ws';
import type { ResolvedMessageOptions } from '../core/message/message-options.js';
import { normalizeGatewayPath } from './declared-gateway.js';
import { NEST } from './ws-auth.constants.js';

/** Options of `@WebSocketGateway()` that bound a frame, and the option of the module that is the most they may be. */
const LIMITS = {
  maxPayload: 'maxPayloadBytes',
  maxFragments: 'maxFragments',
  maxBufferedChunks: 'maxBufferedChunks',
} as const;

/** Options of ws that are decided for all gateways at once, and where. */
const DECIDED_ELSEWHERE: Readonly<Record<string, string>> = {
  perMessageDeflate: 'compression is for all gateways or none, set message.compression',
  skipUTF8Validation: 'RFC 6455 §8.1 demands the check',
  autoPong: 'the library answers pings, within message.maxControlFramesPerSecond',
  maxPendingAutoPongs: 'the library answers pings, within message.maxControlFramesPerSecond',
  closeTimeout: 'set lifetime.closeGraceMs',
};

/** Compression keeps no dictionary between messages (requirement TH-06), and little memory while it runs. */
const DEFLATE = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  concurrencyLimit: 10,
  threshold: 1_024,
  zlibDeflateOptions: { level: 3, memLevel: 7 },
};

/** What ws is told of the frames of a server. */
export type FrameOptions = Pick<ServerOptions, 'maxPayload' | 'perMessageDeflate'> & {
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
};

/** The options of ws that the module's options make. */
export function frameOptions(message: ResolvedMessageOptions): FrameOptions {
  return {
    maxPayload: message.maxPayloadBytes,
    maxFragments: message.maxFragments,
    maxBufferedChunks: message.maxBufferedChunks,
    perMessageDeflate: message.compression ? DEFLATE : false,
  };
}

/**
 * Lowers the limits to those of the gateways on a path. All of them are asked: one server serves them all, and of which
 * gateway Nest would take the options depends on its version.
 *
 * @param problems where is said what a gateway may not set
 */
export function narrowFrameOptions(
  base: FrameOptions,
  gateways: readonly GatewaySocketOptions[],
  problems: string[],
): FrameOptions {
  const narrowed: Record<string, unknown> = { ...base };
  for (const { name, options } of gateways) {
    for (const [option, instead] of Object.entries(DECIDED_ELSEWHERE)) {
      if (Object.hasOwn(options, option))
        problems.push(`gateway ${name} sets the option "${option}": ${instead}`);
    }
    for (const [option, ofModule] of Object.entries(LIMITS)) {
      const given = options[option];
      if (given === undefined) continue;
      const most = base[option as keyof typeof LIMITS]!;
      if (!Number.isInteger(given) || (given as number) < 1 || (given as number) > most) {
        problems.push(
          `gateway ${name} sets the option "${option}" to ${String(given)}: a gateway can only lower it, from 1 to the ${most} ` +
            `of message.${ofModule}`,
        );
        continue;
      }
      narrowed[option] = Math.min(narrowed[option] as number, given as number);
    }
  }
  return narrowed as FrameOptions;
}

/** What a gateway's decorator says to ws. */
export interface GatewaySocketOptions {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** The gateways on a path of a port, with the options of their decorators. */
export function gatewaysOn(modules: ModulesContainer, port: number, path: string): GatewaySocketOptions[] {
  const found = new Map<object, GatewaySocketOptions>();
  for (const module of modules.values()) {
    for (const { metatype } of module.providers.values()) {
      if (typeof metatype !== 'function' || !Reflect.hasMetadata(NEST.isGateway, metatype)) continue;
      const options = (Reflect.getMetadata(NEST.gatewayOptions, metatype) ?? {}) as { path?: string };
      const gatewayPort = (Reflect.getMetadata(NEST.port, metatype) as number | undefined) ?? 0;
      if (gatewayPort !== port || normalizeGatewayPath(options.path) !== path) continue;
      found.set(metatype, { name: metatype.name, options: options as Record<string, unknown> });
    }
  }
  return [...found.values()];
}
