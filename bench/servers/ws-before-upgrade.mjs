import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { echoTo } from './echo-on-ws.mjs';
import { serve } from './serve.mjs';

/**
 * ws with authentication before the upgrade, as "Client authentication" in its README has it.
 *
 * @param authenticate answers with who a request is from, or with nothing
 */
export function serveAuthenticated(authenticate, answers) {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  sockets.on('connection', (client, request, user) => {
    client.user = user;
    echoTo(client);
  });
  const server = createServer();
  server.on('upgrade', async (request, socket, head) => {
    const onError = () => {};
    socket.on('error', onError);
    const user = await authenticate(request);
    if (!user) {
      socket.write('HTTP/1.1 401 Unauthorized\r\n\r\n');
      socket.destroy();
      return;
    }
    socket.removeListener('error', onError);
    sockets.handleUpgrade(request, socket, head, (client) =>
      sockets.emit('connection', client, request, user),
    );
  });
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () => serve(server.address().port, answers));
}
