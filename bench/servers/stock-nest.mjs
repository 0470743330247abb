// What Nest brings by itself: WsAdapter, no guard, no limit.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { makeEchoGateway } from './echo-gateway.mjs';
import { serve } from './serve.mjs';

class StockModule {}
const app = await NestFactory.create({ module: StockModule, providers: [makeEchoGateway()] });
app.useWebSocketAdapter(new WsAdapter(app));
await app.listen(0, '127.0.0.1');
serve(app.getHttpServer().address().port);
