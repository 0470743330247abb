// The floor: ws alone, with the envelope of Nest.
import { WebSocketServer } from 'ws';
import { echoEvents } from './echo-events.mjs';
import { serve } from './serve.mjs';

const handlers = new Map(echoEvents().map((event) => [event, (data) => ({ event, data })]));
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  path: '/ws',
  perMessageDeflate: false,
  backlog: 4_096,
});
server.on('connection', (client) => {
  client.on('error', () => {});
  client.on('message', (frame) => {
    const { event, data } = JSON.parse(frame);
    const handle = handlers.get(event);
    if (handle) client.send(JSON.stringify(handle(data)));
  });
});
server.on('listening', () => serve(server.address().port));
