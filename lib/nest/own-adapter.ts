import { WsAdapter } from '@nestjs/platform-ws';
import { WsAuthOptionsError } from '../core/errors.js';
import { describeType } from '../core/option-rules.js';
import type { MessageParser } from './message-dispatcher.js';

/** What the library does in the place of Nest's adapter: an override of it is not called. */
const REPLACED = [
  'create',
  'close',
  'ensureHttpServerExists',
  'addWsServerToRegistry',
  'bindErrorHandler',
] as const;

/** The parts of Nest's adapter that are not public. */
interface AdapterParts {
  readonly httpServer?: unknown;
  readonly messageParser?: MessageParser;
}

/**
 * An adapter of the application's own, as far as it stays in use behind the guard: how it reads frames and writes replies,
 * and what it does when a client has come or left. Servers, ports, handshakes and shutdown are the library's.
 */
export class OwnAdapter {
  readonly adapter: WsAdapter;
  readonly name: string;
  /** True when the application reads frames and calls handlers by itself. */
  readonly bindsMessages: boolean;
  readonly #defaultParser = String((new WsAdapter() as unknown as AdapterParts).messageParser);
  #knownParser: MessageParser | undefined;
  #isParserOwn = false;

  /**
   * @param httpServer the server of the application
   * @throws {WsAuthOptionsError} when the adapter is none for ws, or belongs to another server
   */
  constructor(adapter: unknown, httpServer: unknown) {
    this.name = nameOf(adapter);
    if (!(adapter instanceof WsAdapter)) {
      throw new WsAuthOptionsError([
        `withWsAuth() needs an adapter that extends WsAdapter of @nestjs/platform-ws, received ${this.name}: another one, such as ` +
          "Socket.IO's IoAdapter, speaks another protocol or comes from a second copy of that package",
      ]);
    }
    const { httpServer: ownServer } = adapter as unknown as AdapterParts;
    if (ownServer !== undefined && ownServer !== httpServer) {
      throw new WsAuthOptionsError([
        `withWsAuth(): ${this.name} was made for another HTTP server than the application's: make it with new ${this.name}(app)`,
      ]);
    }
    this.adapter = adapter;
    this.bindsMessages = this.#overrides('bindMessageHandlers') || this.#overrides('bindMessageHandler');
  }

  /** A sentence for the operator, when the application has written something that is not called. */
  get warning(): string | undefined {
    const unused = REPLACED.filter((name) => this.#overrides(name));
    if (unused.length === 0) return undefined;
    return (
      `withWsAuth(): ${unused.map((name) => `${name}()`).join(', ')} of ${this.name} ${unused.length > 1 ? 'are' : 'is'} not called: ` +
      'servers, ports and shutdown are the library’s; set options in WsAuthModule.forRoot(), and use bindClientConnect() for what a new client needs'
    );
  }

  /** The application's parser; `undefined` while it has only that of Nest, which knows no limits. */
  get parser(): MessageParser | undefined {
    const { messageParser } = this.adapter as unknown as AdapterParts;
    if (messageParser !== this.#knownParser) {
      this.#knownParser = messageParser;
      // By its text: Nest 11 makes a new one for each adapter.
      this.#isParserOwn = messageParser !== undefined && String(messageParser) !== this.#defaultParser;
    }
    return this.#isParserOwn ? messageParser : undefined;
  }

  #overrides(name: string): boolean {
    const own = (this.adapter as unknown as Record<string, unknown>)[name];
    return own !== undefined && own !== (WsAdapter.prototype as unknown as Record<string, unknown>)[name];
  }
}

function nameOf(adapter: unknown): string {
  if (typeof adapter === 'function') return `the class ${adapter.name}, not an instance of it`;
  if (typeof adapter !== 'object' || adapter === null) return describeType(adapter);
  return adapter.constructor?.name || 'an object';
}
