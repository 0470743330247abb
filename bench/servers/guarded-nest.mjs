// This library with everything on. BENCH_GATEWAY=public measures a gateway without authentication.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { WsAuth, WsAuthAdapter, WsAuthModule, WsPublic } from 'nestjs-ws-auth';
import { makeEchoGateway } from './echo-gateway.mjs';
import { guardedOptions } from './guarded-options.mjs';
import { serve } from './serve.mjs';

const access = process.env.BENCH_GATEWAY === 'public' ? WsPublic() : WsAuth();
class GuardedModule {}
const app = await NestFactory.create({
  module: GuardedModule,
  imports: [WsAuthModule.forRoot(guardedOptions())],
  providers: [makeEchoGateway(access)],
});
app.useWebSocketAdapter(new WsAuthAdapter(app));
await app.listen(0, '127.0.0.1');
serve(app.getHttpServer().address().port);
