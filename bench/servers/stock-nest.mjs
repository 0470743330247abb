// What Nest brings by itself: WsAdapter, no guard, no limit. BENCH_GUARD puts a guard before every message, BENCH_CONNECTION=jwt
// verifies a token in handleConnection: each as documentation and tutorials have it.
import 'reflect-metadata';
import { UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { makeEchoGateway } from './echo-gateway.mjs';
import { serve } from './serve.mjs';

const { BENCH_GUARD, BENCH_CONNECTION } = process.env;

async function moduleOf() {
  if (BENCH_CONNECTION === 'jwt') return (await import('./stock-connection.mjs')).connectionModule();
  if (BENCH_GUARD === 'jwt') return (await import('./stock-jwt-guard.mjs')).jwtGuardModule();
  if (BENCH_GUARD === 'throttler') return (await import('./stock-throttler.mjs')).throttlerModule();
  if (BENCH_GUARD === 'trivial')
    return { providers: [makeEchoGateway(UseGuards({ canActivate: () => true }))] };
  return { providers: [makeEchoGateway()] };
}

class StockModule {}
const app = await NestFactory.create({ module: StockModule, ...(await moduleOf()) });
app.useWebSocketAdapter(new WsAdapter(app));
await app.listen(0, '127.0.0.1');
serve(app.getHttpServer().address().port);
