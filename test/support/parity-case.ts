import type { INestApplication, ModuleMetadata, Type } from '@nestjs/common';
import { expect } from 'vitest';
import type { MessageParser } from '../../lib/nest/message-dispatcher.js';
import { eventually } from './eventually.js';
import { type ParityApp, type Side, startSide } from './parity-app.js';
import { ParityClient, type Sent, turns } from './parity-client.js';

/** A failed message, whatever the frame says beyond that: its shape is a known difference. */
export const EXCEPTION = { event: 'exception' };

/** What the classes of a case note down, to be compared as well as the replies. */
export type Log = unknown[];

/** Traffic that must be answered alike by stock Nest and by this library. */
export interface ParityCase {
  readonly name: string;
  /** Makes the gateways anew for each application: a class is decorated for one side only. */
  readonly gateway: (log: Log) => Type | readonly Type[];
  readonly send?: readonly Sent[];
  /** What the client receives. */
  readonly expect: readonly unknown[];
  /** What the classes have noted down. */
  readonly log?: readonly unknown[];
  readonly path?: string;
  /** The replies come in any order, in stock Nest too. */
  readonly anyOrder?: boolean;
  /** Our side handles any number of messages at a time. */
  readonly isConcurrent?: boolean;
  /** Compares what exception frames say, because the application wrote them. */
  readonly exactExceptions?: boolean;
  readonly module?: (log: Log) => ModuleMetadata;
  readonly messageParser?: (log: Log) => MessageParser;
  readonly lateParser?: (log: Log) => MessageParser;
  readonly before?: (app: INestApplication, log: Log) => void;
  /** In place of `send`, for what takes more than one client or one write. */
  readonly drive?: (client: ParityClient, stage: Stage) => Promise<void>;
}

/** What `drive` may use. */
export interface Stage {
  readonly app: ParityApp;
  readonly log: Log;
  connect(path?: string): Promise<ParityClient>;
}

/** What came of a case on one side. */
export interface Outcome {
  readonly received: readonly unknown[];
  readonly log: readonly unknown[];
}

/** Runs a case on one side. */
export async function runSide(side: Side, parity: ParityCase): Promise<Outcome> {
  const log: Log = [];
  const app = await startSide(side, {
    gateways: [parity.gateway(log)].flat() as Type[],
    isConcurrent: parity.isConcurrent ?? false,
    ...(parity.module ? { module: parity.module(log) } : {}),
    ...(parity.messageParser ? { messageParser: parity.messageParser(log) } : {}),
    ...(parity.lateParser ? { lateParser: parity.lateParser(log) } : {}),
    before: (application) => parity.before?.(application, log),
  });
  try {
    const client = await app.connect(parity.path);
    if (parity.drive) await parity.drive(client, { app, log, connect: app.connect });
    else client.send(...(parity.send ?? []));
    await client.until(parity.expect.length);
    // Where nothing is answered, only the log tells that a handler is done.
    await eventually(() => log.length >= (parity.log?.length ?? 0));
    await client.settled();
    await turns();
    return { received: comparable(client.received, parity), log: [...log] };
  } finally {
    await app.close();
  }
}

/** Holds both kinds of gateway of ours against stock Nest, and stock Nest against what the case expects of it. */
export async function expectParity(parity: ParityCase): Promise<void> {
  const stock = await runSide('stock', parity);
  expect(stock, 'stock Nest').toEqual({
    received: comparable(parity.expect, parity),
    log: parity.log ?? stock.log,
  });
  expect(await runSide('guarded', parity), 'a guarded gateway').toEqual(stock);
  expect(await runSide('public', parity), 'a public gateway').toEqual(stock);
}

function comparable(received: readonly unknown[], parity: ParityCase): unknown[] {
  const shown = parity.exactExceptions ? [...received] : received.map(withoutShape);
  return parity.anyOrder ? shown.sort((a, b) => order(a, b)) : shown;
}

function withoutShape(frame: unknown): unknown {
  const isException =
    typeof frame === 'object' && frame !== null && 'event' in frame && frame.event === EXCEPTION.event;
  return isException ? EXCEPTION : frame;
}

function order(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}
