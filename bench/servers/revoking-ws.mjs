// What a team writes itself: ws, a JWT that is verified before the upgrade, and a Redis channel. When "everybody who logged in
// before" is published there, every socket that this concerns is closed in one loop.
import { createServer, STATUS_CODES } from 'node:http';
import { Redis } from 'ioredis';
import jsonwebtoken from 'jsonwebtoken';
import { WebSocketServer } from 'ws';
import { sharedNow } from '../harness/shared-clock.mjs';
import { echoTo } from './echo-on-ws.mjs';
import { bearerOf, jwtKey, JWT_RULES } from './jwt-rules.mjs';
import { startSampling, stopSampling } from './loop-delay.mjs';
import { serve } from './serve.mjs';

const CHANNEL = 'revocations';
const key = jwtKey('object');
const issuedAt = new WeakMap();
let fences = { count: 0 };

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const http = createServer();
http.on('upgrade', (request, socket, head) => {
  let claims;
  try {
    claims = jsonwebtoken.verify(bearerOf(request), key, JWT_RULES);
  } catch {
    socket.end(`HTTP/1.1 401 ${STATUS_CODES[401]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    return;
  }
  sockets.handleUpgrade(request, socket, head, (client) => {
    issuedAt.set(client, claims.iat * 1_000);
    echoTo(client);
  });
});

const publisher = new Redis(process.env.BENCH_REDIS_URL);
const subscriber = new Redis(process.env.BENCH_REDIS_URL);
subscriber.on('message', (_, cut) => {
  const first = sharedNow();
  let count = 0;
  for (const client of sockets.clients) {
    if (issuedAt.get(client) >= Number(cut)) continue;
    client.close(4410, 'revoked');
    count += 1;
  }
  fences = { count, first, last: sharedNow() };
});
await subscriber.subscribe(CHANNEL);

http.listen(0, '127.0.0.1', () =>
  serve(http.address().port, {
    watchFences: () => {
      fences = { count: 0 };
      startSampling();
    },
    fences: () => ({ ...fences, ...stopSampling() }),
    revoke: async ({ selector }) => {
      const startedAt = sharedNow();
      await publisher.publish(CHANNEL, String(selector.issuedBefore));
      return { startedAt, answeredAt: sharedNow(), sockets: fences.count, nodes: 1, pending: 0 };
    },
  }),
);
