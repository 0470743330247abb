/** Handlers by event. */
export interface Emitter<Data> {
  /** @returns takes the handler away */
  on(event: string, handler: (data: Data) => void): () => void;
  emit(event: string, data: Data): void;
}

/** An emitter in which a handler that throws does not keep the others, or the client, from their work. */
export function emitter<Data>(): Emitter<Data> {
  const handlers = new Set<readonly [event: string, handler: (data: Data) => void]>();
  return {
    on(event, handler) {
      const added = [event, handler] as const;
      handlers.add(added);
      return () => void handlers.delete(added);
    },
    emit(event, data) {
      // A copy: a handler may add others.
      // oxlint-disable-next-line unicorn/no-useless-spread
      for (const [wanted, handler] of [...handlers]) {
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
