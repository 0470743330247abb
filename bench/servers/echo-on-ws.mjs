import { echoEvents } from './echo-events.mjs';

/** Replies to messages that came in one piece leave in one write: what ws leaves to the application. */
const HOLDS = process.env.BENCH_CORK === 'turn';

/** Listens to a client of ws: the envelope of Nest, one reply for each message. */
export function echoTo(client) {
  client.on('error', () => {});
  client.on('message', (frame) => {
    const { event, data } = JSON.parse(frame);
    const handle = HANDLERS.get(event);
    if (!handle) return;
    if (HOLDS) hold(client._socket);
    client.send(JSON.stringify(handle(data)));
  });
}

function hold(socket) {
  socket.cork();
  process.nextTick(() => socket.uncork());
}

const HANDLERS = new Map(echoEvents().map((event) => [event, (data) => ({ event, data })]));
