import type { Provider } from '@nestjs/common';
import { resolveOptions, type WsAuthOptions } from '../core/options.js';
import { Connections } from '../core/session/connections.js';
import { SessionService } from '../core/session/session-service.js';
import { TicketService } from '../core/ticket/ticket-service.js';
import { WsAuthEvents } from './ws-auth.events.js';
import { WsAuthHttpGuard } from './ws-auth.http-guard.js';
import { WS_AUTH_ENGINE, WS_AUTH_OPTIONS } from './ws-auth.constants.js';
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
  fromEngine(Connections, (engine) => new Connections(engine.connections, engine.keys.userHash)),
  fromEngine(WsAuthEvents, (engine) => new WsAuthEvents(engine.audit)),
  fromEngine(WsSessionCookie, (engine) => new WsSessionCookie(engine)),
  WsAuthHttpGuard,
];

/** What other modules may inject. */
export const WS_AUTH_EXPORTS = [
  WS_AUTH_ENGINE,
  SessionService,
  TicketService,
  Connections,
  WsAuthEvents,
  WsSessionCookie,
  WsAuthHttpGuard,
];

function fromEngine<T>(
  provide: abstract new (...args: never[]) => T,
  make: (engine: WsAuthEngine) => T,
): Provider {
  return { provide, useFactory: make, inject: [WS_AUTH_ENGINE] };
}
