import type { DirectHandler } from './direct-handler.js';

/** What Nest knows of a message handler. */
export interface Subscriber {
  readonly message: unknown;
  readonly methodName?: string | undefined;
  /** Nest's pipeline around the handler. */
  readonly callback: (this: object, client: object, data: unknown, event: unknown) => unknown;
}

/** A handler of a gateway, for all of its sockets. */
export interface MessageHandler {
  /** Runs it through Nest's pipeline. */
  run(client: object, data: unknown, event: unknown): unknown;
  /** Runs it without; there where nothing of the pipeline would do anything. */
  readonly direct: DirectHandler | undefined;
}

/** The handlers of one gateway, by event. */
export class HandlerTable {
  readonly #handlers: ReadonlyMap<unknown, MessageHandler>;
  /** The tables of a socket that has this one alone: one list for all of them. */
  readonly alone: readonly HandlerTable[] = Object.freeze([this]);

  private constructor(handlers: ReadonlyMap<unknown, MessageHandler>) {
    this.#handlers = handlers;
  }

  /**
   * The handlers of a gateway as Nest has them before it binds them to a socket; of two for one event the later counts.
   *
   * @param direct those that need no pipeline, by method
   */
  static of(
    subscribers: readonly Subscriber[],
    gateway: object,
    direct?: ReadonlyMap<string, DirectHandler>,
  ): HandlerTable {
    return new HandlerTable(
      new Map(
        subscribers.map(({ message, methodName, callback }) => [
          message,
          {
            run: (client, data, event) => callback.call(gateway, client, data, event),
            direct: methodName === undefined ? undefined : direct?.get(methodName),
          },
        ]),
      ),
    );
  }

  /** The handlers of one socket, as Nest binds them where nobody is in its way. */
  static ofBound(
    handlers: readonly { readonly message: unknown; readonly callback: unknown }[],
  ): HandlerTable {
    return new HandlerTable(
      new Map(
        handlers.map(({ message, callback }) => {
          const bound = callback as (data: unknown, event: unknown) => unknown;
          return [message, { run: (_client, data, event) => bound(data, event), direct: undefined }];
        }),
      ),
    );
  }

  has(event: unknown): boolean {
    return this.#handlers.has(event);
  }

  get(event: unknown): MessageHandler | undefined {
    return this.#handlers.get(event);
  }
}
