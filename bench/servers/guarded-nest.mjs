// This library with everything on. What differs between its variants comes by the environment: see guarded-options.mjs, and
// here BENCH_GATEWAY=public, BENCH_ENHANCER for something of Nest's before every handler, BENCH_THROTTLE=on for a limit.
import 'reflect-metadata';
import { UseGuards, UseInterceptors, UsePipes } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  WsAuth,
  WsAuthAdapter,
  WsAuthModule,
  WsPublic,
  WsSessionService,
  WsThrottle,
  WsTicketService,
} from 'nestjs-ws-auth';
import { makeEchoGateway } from './echo-gateway.mjs';
import { guardedOptions, UNREACHED } from './guarded-options.mjs';
import { issuer } from './issuer.mjs';
import { serve } from './serve.mjs';

const { BENCH_GATEWAY, BENCH_ENHANCER, BENCH_THROTTLE, BENCH_CREDENTIAL } = process.env;

/** Each does nothing: what it costs is that it is there. */
const ENHANCERS = {
  guard: UseGuards({ canActivate: () => true }),
  pipe: UsePipes({ transform: (value) => value }),
  interceptor: UseInterceptors({ intercept: (context, next) => next.handle() }),
};

const decorators = [
  BENCH_GATEWAY === 'public' ? WsPublic() : WsAuth(),
  ...(BENCH_ENHANCER ? [ENHANCERS[BENCH_ENHANCER]] : []),
  ...(BENCH_THROTTLE === 'on' ? [WsThrottle({ limit: UNREACHED, windowMs: 1_000 })] : []),
];

class GuardedModule {}
const app = await NestFactory.create({
  module: GuardedModule,
  imports: [WsAuthModule.forRoot(guardedOptions())],
  providers: [makeEchoGateway(...decorators)],
});
app.useWebSocketAdapter(new WsAuthAdapter(app));
await app.listen(0, '127.0.0.1');
const answers = issuer(BENCH_CREDENTIAL, app.get(WsSessionService), app.get(WsTicketService));
serve(app.getHttpServer().address().port, answers);
