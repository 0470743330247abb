/** A message handler with everything bound that Nest binds. */
export type BoundHandler = (data: unknown, event: unknown) => unknown;

/** The handlers of one gateway for one socket, by event. */
export class HandlerTable {
  readonly #places: ReadonlyMap<unknown, number>;
  readonly #handlers: readonly BoundHandler[];

  /** @internal tables are made by {@link HandlerTables} */
  constructor(places: ReadonlyMap<unknown, number>, handlers: readonly BoundHandler[]) {
    this.#places = places;
    this.#handlers = handlers;
  }

  has(event: unknown): boolean {
    return this.#places.has(event);
  }

  get(event: unknown): BoundHandler | undefined {
    const place = this.#places.get(event);
    return place === undefined ? undefined : this.#handlers[place];
  }
}

/**
 * Makes the tables of sockets. Nest binds every handler to every socket; which event is whose is the same for all sockets
 * of a gateway, and is kept once.
 */
export class HandlerTables {
  /** One for each gateway, which are few. */
  readonly #known: { readonly events: readonly unknown[]; readonly places: ReadonlyMap<unknown, number> }[] =
    [];

  /** @param handlers as Nest lists them: of two for one event the later counts */
  make(handlers: readonly { readonly message: unknown; readonly callback: unknown }[]): HandlerTable {
    const places = this.#placesOf(handlers.map(({ message }) => message));
    return new HandlerTable(
      places,
      handlers.map(({ callback }) => callback as BoundHandler),
    );
  }

  /** Compared one by one: an event may be an object, and two of those are two, however alike they look. */
  #placesOf(events: readonly unknown[]): ReadonlyMap<unknown, number> {
    const known = this.#known.find(
      (other) =>
        other.events.length === events.length && events.every((event, at) => event === other.events[at]),
    );
    if (known) return known.places;
    const places = new Map(events.map((event, place) => [event, place]));
    this.#known.push({ events, places });
    return places;
  }
}
