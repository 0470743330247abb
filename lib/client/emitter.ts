/** Handlers by event. */
export interface Emitter<Data> {
  /** @returns takes the handler away */
  on(event: string, handler: (data: Data) => void): () => void;
  emit(event: string, data: Data): void;
}

/** An emitter in which a handler that throws does not keep the others, or the client, from their work. */
export function emitter<Data>(): Emitter<Data> {
  let handlers: readonly { event: string; handler: (data: Data) => void }[] = [];
  return {
    on(event, handler) {
      const added = { event, handler };
      handlers = [...handlers, added];
      return () => {
        handlers = handlers.filter((other) => other !== added);
      };
    },
    emit(event, data) {
      for (const { event: wanted, handler } of handlers) {
        if (wanted !== event) continue;
        try {
          handler(data);
        } catch (error) {
          // As an error in an event handler: seen by the host, and by nobody here.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
  };
}
