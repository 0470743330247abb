/** A message handler with everything bound that Nest binds. */
export type BoundHandler = (data: unknown, event: string) => unknown;

/** The handlers of one gateway for one socket, by event. */
export class HandlerTable {
  readonly #places: ReadonlyMap<string, number>;
  readonly #handlers: readonly BoundHandler[];

  /** @internal tables are made by {@link HandlerTables} */
  constructor(places: ReadonlyMap<string, number>, handlers: readonly BoundHandler[]) {
    this.#places = places;
    this.#handlers = handlers;
  }

  has(event: string): boolean {
    return this.#places.has(event);
  }

  get(event: string): BoundHandler | undefined {
    const place = this.#places.get(event);
    return place === undefined ? undefined : this.#handlers[place];
  }
}

/**
 * Makes the tables of sockets. Nest binds every handler to every socket; which event is whose is the same for all sockets
 * of a gateway, and is kept once.
 */
export class HandlerTables {
  readonly #places = new Map<string, ReadonlyMap<string, number>>();

  /** @param handlers as Nest lists them: of two for one event the later counts */
  make(handlers: readonly { readonly message: unknown; readonly callback: unknown }[]): HandlerTable {
    const events = handlers.map(({ message }) => String(message));
    const key = JSON.stringify(events);
    let places = this.#places.get(key);
    if (!places) this.#places.set(key, (places = new Map(events.map((event, place) => [event, place]))));
    return new HandlerTable(
      places,
      handlers.map(({ callback }) => callback as BoundHandler),
    );
  }
}
