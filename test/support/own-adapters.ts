import { WsAdapter } from '@nestjs/platform-ws';
import type { MessageMappingProperties } from '@nestjs/websockets';
import { EMPTY, filter, fromEvent, mergeMap, type Observable, takeUntil } from 'rxjs';
import type { WebSocket } from 'ws';

type Transform = (data: unknown) => Observable<unknown>;

/** An adapter as the documentation of Nest has it, for clients that send `["event", data]`. It records what it is shown. */
export class ListAdapter extends WsAdapter {
  readonly frames: string[] = [];
  readonly bound: object[] = [];

  override bindMessageHandlers(
    client: WebSocket,
    handlers: MessageMappingProperties[],
    transform: Transform,
  ): void {
    this.bound.push(client);
    fromEvent<{ data: unknown }>(client as never, 'message')
      .pipe(
        mergeMap(({ data }) => this.#handle(String(data), handlers, transform)),
        filter((reply) => reply !== undefined && reply !== null),
        takeUntil(fromEvent(client as never, 'close')),
      )
      .subscribe((reply) => {
        const { event, data } = reply as { event: string; data: unknown };
        client.send(JSON.stringify([event, data]));
      });
  }

  #handle(
    text: string,
    handlers: readonly MessageMappingProperties[],
    transform: Transform,
  ): Observable<unknown> {
    this.frames.push(text);
    try {
      const [event, data] = JSON.parse(text) as [string, unknown];
      const handler = handlers.find(({ message }) => message === event);
      return handler ? transform(handler.callback(data, event)) : EMPTY;
    } catch {
      return EMPTY;
    }
  }
}

/** An adapter that leaves the binding to Nest, and reads one message by itself: a byte for the event, then text. */
export class ByteAdapter extends WsAdapter {
  override bindMessageHandler(
    { data }: { data: Buffer },
    handlers: Map<string, MessageMappingProperties>,
    transform: Transform,
  ): Observable<unknown> {
    const bytes = Buffer.from(data);
    const handler = handlers.get(String.fromCharCode(bytes[0]!));
    return handler ? transform(handler.callback(bytes.subarray(1).toString('utf8'))) : EMPTY;
  }
}
