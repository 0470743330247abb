import { echoEvents } from './echo-events.mjs';

/** Listens to a client of ws: the envelope of Nest, one reply for each message. */
export function echoTo(client) {
  client.on('error', () => {});
  client.on('message', (frame) => {
    const { event, data } = JSON.parse(frame);
    const handle = HANDLERS.get(event);
    if (handle) client.send(JSON.stringify(handle(data)));
  });
}

const HANDLERS = new Map(echoEvents().map((event) => [event, (data) => ({ event, data })]));
