// The floor: ws alone, with the envelope of Nest. BENCH_KEEP=request: it keeps the request of each connection, as many do.
// BENCH_CORK=turn: replies of a turn leave in one write.
import { WebSocketServer } from 'ws';
import { echoTo } from './echo-on-ws.mjs';
import { serve } from './serve.mjs';

const keepsRequest = process.env.BENCH_KEEP === 'request';
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  path: '/ws',
  perMessageDeflate: false,
  backlog: 4_096,
});
server.on('connection', (client, request) => {
  if (keepsRequest) client.request = request;
  echoTo(client);
});
server.on('listening', () => serve(server.address().port));
