import type { Provider } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { Bans } from '../core/anomaly/bans.js';
import { resolveOptions, type WsAuthOptions } from '../core/options.js';
import { Connections } from '../core/session/connections.js';
import { SessionService } from '../core/session/session-service.js';
import { TicketService } from '../core/ticket/ticket-service.js';
import { WsAuthDoctor } from './ws-auth.doctor.js';
import { WsAuthEvents } from './ws-auth.events.js';
import { WsAuthHealth } from './ws-auth.health.js';
import { WsAuthHttpGuard } from './ws-auth.http-guard.js';
import { WS_AUTH_DOCTOR, WS_AUTH_ENGINE, WS_AUTH_OPTIONS } from './ws-auth.constants.js';
import { createEngine, type WsAuthEngine } from './ws-auth.engine.js';
import { WsSessionCookie } from './ws-session-cookie.js';

/** Factories that build the public services from the options. */
export const WS_AUTH_PROVIDERS: Provider[] = [
  {
    provide: WS_AUTH_ENGINE,
    useFactory: (options: WsAuthOptions) =>
      createEngine(resolveOptions(options, { production: process.env.NODE_ENV === 'production' })),
    inject: [WS_AUTH_OPTIONS],
  },
  fromEngine(SessionService, (engine) => engine.sessions),
  fromEngine(TicketService, (engine) => engine.tickets),
  fromEngine(
    Connections,
    ({ connections, stores, keys, messageContext }) =>
      new Connections(connections, stores.connections, keys.userHash, messageContext),
  ),
  fromEngine(WsAuthEvents, (engine) => new WsAuthEvents(engine.audit, engine.explanations)),
  fromEngine(Bans, (engine) => engine.bans),
  fromEngine(WsAuthHealth, (engine) => new WsAuthHealth(engine)),
  fromEngine(WsSessionCookie, (engine) => new WsSessionCookie(engine)),
  WsAuthHttpGuard,
  {
    provide: WS_AUTH_DOCTOR,
    useFactory: (engine: WsAuthEngine, modules: ModulesContainer, host: HttpAdapterHost) =>
      new WsAuthDoctor(engine, modules, host),
    inject: [WS_AUTH_ENGINE, ModulesContainer, HttpAdapterHost],
  },
];

/** What other modules may inject. */
export const WS_AUTH_EXPORTS = [
  WS_AUTH_ENGINE,
  SessionService,
  TicketService,
  Connections,
  WsAuthEvents,
  Bans,
  WsAuthHealth,
  WsSessionCookie,
  WsAuthHttpGuard,
];

function fromEngine<T>(
  provide: abstract new (...args: never[]) => T,
  make: (engine: WsAuthEngine) => T,
): Provider {
  return { provide, useFactory: make, inject: [WS_AUTH_ENGINE] };
}
