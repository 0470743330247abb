import type { AddressInfo } from 'node:net';
import type { INestApplication, ModuleMetadata, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { WsAuth, WsPublic } from '../../lib/index.js';
import type { MessageParser } from '../../lib/nest/message-dispatcher.js';
import { MemoryLogger, startApp } from './app.js';
import { ParityClient } from './parity-client.js';
import { RawClient } from './raw-client.js';

/** Stock Nest, and both kinds of gateway of ours. */
export const SIDES = ['stock', 'guarded', 'public'] as const;
export type Side = (typeof SIDES)[number];

/** What a case needs of its application. */
export interface ParityAppParts {
  readonly gateways: readonly Type[];
  readonly module?: ModuleMetadata;
  /** The same on both adapters. */
  readonly messageParser?: MessageParser;
  /** Set after the adapter was made, as `WsAdapter` allows. */
  readonly lateParser?: MessageParser;
  /** Called before the application listens. */
  readonly before?: (app: INestApplication) => void;
  /** Any number of a connection's messages at a time: what stock Nest does. */
  readonly isConcurrent?: boolean;
}

/** A running application of one side. */
export interface ParityApp {
  readonly logger: MemoryLogger;
  connect(path?: string): Promise<ParityClient>;
  close(): Promise<void>;
}

export function startSide(side: Side, parts: ParityAppParts): Promise<ParityApp> {
  return side === 'stock' ? startStock(parts) : startOurs(side, parts);
}

async function startStock({ gateways, module, ...parts }: ParityAppParts): Promise<ParityApp> {
  const logger = new MemoryLogger();
  class StockModule {}
  const app = await NestFactory.create(
    { module: StockModule, ...module, providers: [...gateways, ...(module?.providers ?? [])] },
    { logger, abortOnError: false },
  );
  const adapter = new WsAdapter(
    app,
    parts.messageParser ? { messageParser: parts.messageParser } : undefined,
  );
  if (parts.lateParser) adapter.setMessageParser(parts.lateParser);
  app.useWebSocketAdapter(adapter);
  parts.before?.(app);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return running(port, logger, {}, () => app.close());
}

async function startOurs(
  side: 'guarded' | 'public',
  { gateways, module, messageParser, lateParser, before, isConcurrent }: ParityAppParts,
): Promise<ParityApp> {
  for (const gateway of gateways) (side === 'guarded' ? WsAuth() : WsPublic())(gateway);
  const test = await startApp({
    gateways: [...gateways],
    ...(module ? { module } : {}),
    adapter: messageParser ? { messageParser } : {},
    // Without "first-message" no frame of ours comes before those of the application.
    options: {
      credentials: ['bearer'],
      ...(isConcurrent ? { message: { concurrency: Infinity } } : {}),
    },
    before: (app) => {
      if (lateParser) adapterOf(app).setMessageParser(lateParser);
      before?.(app);
    },
  });
  const headers: Record<string, string> =
    side === 'guarded' ? { Authorization: `Bearer ${test.token()}` } : {};
  return running(test.port, test.logger, headers, () => test.close());
}

function running(
  port: number,
  logger: MemoryLogger,
  headers: Record<string, string>,
  close: () => Promise<void>,
): ParityApp {
  const clients: RawClient[] = [];
  return {
    logger,
    connect: async (target = '/ws') => {
      const raw = await RawClient.open(port, { target, headers });
      clients.push(raw);
      await raw.upgraded();
      return new ParityClient(raw);
    },
    close: async () => {
      for (const client of clients) client.destroy();
      await close();
    },
  };
}

/** The adapter that the application uses; Nest has no public way to ask for it. */
function adapterOf(app: INestApplication): WsAdapter {
  return (app as unknown as { config: { getIoAdapter(): WsAdapter } }).config.getIoAdapter();
}
