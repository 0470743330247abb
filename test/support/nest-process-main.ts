import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Server, WebSocket } from 'ws';
import { WsAuth, WsPublic } from '../../lib/index.js';
import { startApp, type TestApp } from './app.js';
import { freePort } from './free-port.js';
import { verifiedToken } from './held-verifier.js';

/** The application of `NestProcess`: it answers its parent's questions, and ends with SIGTERM as one in production. */
const options = JSON.parse(process.argv[2]!) as object;
const ownPort = await freePort();

@WsAuth()
@WebSocketGateway({ path: '/ws' })
class ChatGateway {
  static server: Server;
  afterInit(server: Server): void {
    ChatGateway.server = server;
  }
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): object {
    return { event: 'echo', data };
  }
}

@WsPublic()
@WebSocketGateway({ path: '/public' })
class PublicGateway {}

@WsAuth()
@WebSocketGateway(ownPort, { path: '/own' })
class OwnPortGateway {}

async function broadcast(event: string, count: number, bytes: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const text = JSON.stringify({ event, data: { index, text: 'x'.repeat(bytes) } });
    for (const client of ChatGateway.server.clients as Set<WebSocket>) client.send(text);
    // As fast as the fastest client reads.
    const clients = [...(ChatGateway.server.clients as Set<WebSocket>)];
    while (Math.min(...clients.map(({ bufferedAmount }) => bufferedAmount)) > 0)
      await new Promise((resolve) => setImmediate(resolve));
  }
}

function report(test: TestApp): void {
  (globalThis as { gc?: () => void }).gc?.();
  process.send!({
    rss: process.memoryUsage.rss(),
    events: test.events.map(({ reasonCode, closeCode }) => ({ reasonCode, closeCode })),
    counts: test.engine.outboundCounts,
    live: test.connections.local().length,
  });
}

const test = await startApp({
  gateways: [ChatGateway, PublicGateway, OwnPortGateway],
  options,
  // Believes every token at once, but for "held", about which it never says anything.
  engine: {
    verifier: {
      verify: (token) => (token === 'held' ? new Promise(() => {}) : Promise.resolve(verifiedToken(token))),
    },
  },
  before: (app) => void app.enableShutdownHooks(['SIGTERM']),
});
process.on('message', async (question: string | ['broadcast', string, number, number]) => {
  if (Array.isArray(question)) await broadcast(question[1], question[2], question[3]);
  report(test);
});
// The channel to the parent keeps no application alive.
process.channel?.unref();
process.send!({
  port: (test.app.getHttpServer().address() as AddressInfo).port,
  ownPort,
});
