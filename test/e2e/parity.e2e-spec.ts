import { readFileSync } from 'node:fs';
import { type CallHandler, UseInterceptors } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { describe, expect, it } from 'vitest';
import { EXCEPTION, expectParity, type ParityCase, runSide } from '../support/parity-case.js';
import { FILTER_CASES, GLOBAL_CASES, GUARD_CASES, INTERCEPTOR_CASES } from '../support/parity-enhancers.js';
import { DECLARATION_CASES, LIFECYCLE_CASES, SCOPE_CASES } from '../support/parity-gateways.js';
import { CONCURRENT_CASES, latched, ORDERED_CASES } from '../support/parity-order.js';
import { PARAMETER_CASES } from '../support/parity-parameters.js';
import { PARSER_CASES } from '../support/parity-parsers.js';
import { answering, OBSERVABLE_CASES, RESULT_CASES } from '../support/parity-results.js';

const TABLES: Readonly<Record<string, readonly ParityCase[]>> = {
  'results of handlers': RESULT_CASES,
  Observables: OBSERVABLE_CASES,
  parameters: PARAMETER_CASES,
  guards: GUARD_CASES,
  interceptors: INTERCEPTOR_CASES,
  filters: FILTER_CASES,
  'global enhancers': GLOBAL_CASES,
  'connecting and leaving': LIFECYCLE_CASES,
  'declaration of handlers': DECLARATION_CASES,
  'request scope': SCOPE_CASES,
  'message parsers': PARSER_CASES,
  order: ORDERED_CASES,
  'message.concurrency: Infinity': CONCURRENT_CASES,
};

/** `npm run test:matrix` runs this file on Nest 11, too. */
const manifest = new URL('../../node_modules/@nestjs/core/package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
const isNest11 = version.startsWith('11.');

/** Where Nest 11 does something else than Nest 12, and a gateway of ours with it. */
const ON_NEST_11: Readonly<Record<string, Partial<ParityCase>>> = {
  'what a guard sees of the message': {
    log: ['ws', 'EchoGateway', 'echo', 'echo', 1, [1, 'echo', 'echo', 'echo'], true, 'function', 'handled'],
  },
  // It speaks to Socket.IO: on ws, nobody hears of what it catches.
  'a filter that extends BaseWsExceptionFilter': { expect: [] },
  'BaseWsExceptionFilter itself': { expect: ['on'] },
  'APP_GUARD, APP_INTERCEPTOR and APP_PIPE run for gateways, APP_FILTER does not': {
    expect: ['a', 'shut', 'bad'].map((data) => ({ event: 'echo', data })),
    log: ['handled', 'handled', 'handled'],
  },
  'app.useGlobalGuards(), useGlobalInterceptors(), useGlobalPipes() and useGlobalFilters()': {
    expect: [1, 'bad'].map((data) => ({ event: 'echo', data })),
    log: ['handled', 'handled'],
  },
  'handleDisconnect of a client that hangs up': { log: [undefined] },
};

/** Stock Nest 11 never calls their constructors. Ours are refused at boot, rather than run without what they inject. */
const REFUSED_ON_NEST_11 = [
  'a gateway of request scope: one instance for a client',
  'a gateway that depends on a provider of request scope',
  'a provider of request scope that cannot be made',
];

/** Stock Nest 11 does not survive them. */
const FATAL_ON_NEST_11 = ['a filter that throws: nothing is sent, and the next message is handled'];

/** Stock Nest 11 on ws sends nothing of what is thrown. A gateway of ours answers it on either. */
async function expectParityOnNest11(common: ParityCase): Promise<void> {
  if (REFUSED_ON_NEST_11.includes(common.name)) {
    for (const side of ['guarded', 'public'] as const)
      await expect(runSide(side, common), side).rejects.toThrow('is request-scoped');
    return;
  }
  const parity = { ...common, ...ON_NEST_11[common.name] };
  const isFatal = FATAL_ON_NEST_11.includes(parity.name);
  const replies = parity.expect.filter((frame) => frame !== EXCEPTION);
  if (!isFatal && replies.length === parity.expect.length) return expectParity(parity);
  const inOrder = (frames: readonly unknown[]) =>
    parity.anyOrder ? frames.map((frame) => JSON.stringify(frame)).sort() : frames;
  const stock = isFatal ? undefined : await runSide('stock', { ...parity, expect: replies });
  if (stock) {
    expect(inOrder(stock.received), 'stock Nest').toEqual(inOrder(replies));
    if (parity.log) expect(stock.log, 'stock Nest').toEqual(parity.log);
  }
  for (const side of ['guarded', 'public'] as const) {
    const ours = await runSide(side, parity);
    expect(inOrder(ours.received), side).toEqual(inOrder(parity.expect));
    expect(ours.log, side).toEqual(parity.log ?? stock?.log ?? []);
  }
}

describe('a gateway behaves as on stock Nest', () => {
  const expectCase = isNest11 ? expectParityOnNest11 : expectParity;
  for (const [topic, cases] of Object.entries(TABLES)) {
    describe(topic, () => {
      for (const parity of cases) it(parity.name, () => expectCase(parity));
    });
  }
});

/** What is another on purpose: on stock Nest, and on a gateway of ours of either kind. */
interface Difference extends Omit<ParityCase, 'expect'> {
  readonly stock: readonly unknown[];
  readonly ours: readonly unknown[];
}

const echoing = (event: unknown) => () => {
  @WebSocketGateway({ path: '/ws' })
  class EchoGateway {
    @SubscribeMessage(event)
    echo(@MessageBody() data: unknown) {
      return { event: 'echo', data };
    }
  }
  return EchoGateway;
};

const ECHO = { event: 'echo', data: 1 };

const DIFFERENCES: readonly Difference[] = [
  {
    name: 'an unknown event is answered',
    gateway: echoing('echo'),
    send: [
      ['unknown', 1],
      ['toString', 1],
      ['echo', 1],
    ],
    stock: [ECHO],
    ours: [EXCEPTION, EXCEPTION, ECHO],
  },
  {
    name: 'what is no message is answered',
    gateway: echoing('echo'),
    send: ['', 'no JSON', '[]', '{"data":1}', '7', ['echo', 1]],
    stock: [ECHO],
    ours: [EXCEPTION, EXCEPTION, EXCEPTION, EXCEPTION, EXCEPTION, ECHO],
  },
  {
    name: 'an event has 1 to 128 characters',
    gateway: () => [echoing('')(), echoing('x'.repeat(129))()],
    send: [
      ['', 1],
      ['x'.repeat(129), 1],
    ],
    stock: [ECHO, ECHO],
    ours: [EXCEPTION, EXCEPTION],
  },
  {
    name: 'an event is a text',
    gateway: echoing(7),
    send: [
      [7, 1],
      ['7', 1],
    ],
    stock: [ECHO],
    ours: [EXCEPTION, EXCEPTION],
  },
  {
    name: 'a parser that throws is answered',
    gateway: echoing('echo'),
    messageParser: () => (data) => {
      if (String(data) === 'bad') throw new Error('no');
      return { event: 'echo', data: 1 };
    },
    send: ['bad', 'good'],
    stock: [ECHO],
    ours: [EXCEPTION, ECHO],
  },
  {
    name: 'a binary frame without a parser of the application closes 1003',
    gateway: echoing('echo'),
    send: [Buffer.from('{"event":"echo","data":1}')],
    stock: [ECHO],
    ours: [{ close: 1_003 }],
  },
  {
    name: 'a result that JSON does not know is nothing, not an empty binary frame',
    gateway: answering((data) => (data === 'function' ? () => 1 : Symbol('s'))),
    send: [
      ['ask', 'function'],
      ['ask', 'symbol'],
      ['echo', 1],
    ],
    stock: [{ binary: '' }, { binary: '' }, ECHO],
    ours: [ECHO],
  },
  {
    name: 'messages of a client are handled one after another',
    gateway: latched,
    drive: async (client) => {
      client.send(['most'], ['wait', 'a'], ['most']);
      await client.settled();
    },
    stock: [{ most: 0 }, { most: 1 }],
    ours: [{ most: 0 }],
  },
  {
    name: 'messages are handled one after another behind an interceptor, too',
    gateway: (log) => {
      const gateway = latched(log);
      UseInterceptors({ intercept: (_: unknown, next: CallHandler) => next.handle() })(gateway);
      return gateway;
    },
    drive: async (client) => {
      client.send(['most'], ['wait', 'a'], ['most']);
      await client.settled();
    },
    stock: [{ most: 0 }, { most: 1 }],
    ours: [{ most: 0 }],
  },
];

describe('known differences from stock Nest', () => {
  for (const { stock, ours, ...parity } of DIFFERENCES) {
    it(parity.name, async () => {
      expect((await runSide('stock', { ...parity, expect: stock })).received, 'stock Nest').toEqual(stock);
      for (const side of ['guarded', 'public'] as const)
        expect((await runSide(side, { ...parity, expect: ours })).received, side).toEqual(ours);
    });
  }

  it('events that begin with "auth" are reserved on guarded gateways', async () => {
    const parity = { name: 'reserved', gateway: echoing('echo'), send: [['auth.custom', 1]] } as const;
    expect(await runSide('stock', { ...parity, expect: [] })).toMatchObject({ received: [] });
    expect(await runSide('guarded', { ...parity, expect: [EXCEPTION] })).toMatchObject({
      received: [EXCEPTION],
    });
    await expect(
      runSide('guarded', { ...parity, gateway: echoing('auth.custom'), expect: [] }),
    ).rejects.toThrow('events that begin with "auth" belong to the library');
  });
});
