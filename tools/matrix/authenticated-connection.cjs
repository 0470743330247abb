const { createHmac, randomBytes } = require('node:crypto');
const { on, once } = require('node:events');

const ORIGIN = 'https://app.example';
const secret = randomBytes(48).toString('base64url');

/**
 * Boots an application on the packed package and connects to it with each of its credentials.
 *
 * @param modules the package and what it stands on, loaded as the caller loads modules
 * @returns what was as it should be
 */
exports.connectWithEachCredential = async ({ common, core, websockets, library, ws }) => {
  class Gateway {
    whoami(client) {
      return { event: 'whoami', data: library.wsConnection(client).principal.id };
    }
  }
  const method = Object.getOwnPropertyDescriptor(Gateway.prototype, 'whoami');
  websockets.SubscribeMessage('whoami')(Gateway.prototype, 'whoami', method);
  websockets.WebSocketGateway({ path: '/ws' })(Gateway);
  library.WsAuth()(Gateway);
  class AppModule {}
  const auth = library.WsAuthModule.forRoot({
    origins: [ORIGIN],
    credentials: ['ticket', 'bearer', 'first-message'],
    jwt: { secret, algorithms: ['HS256'], issuer: 'https://issuer.example', audience: 'chat' },
  });
  common.Module({ imports: [auth], providers: [Gateway] })(AppModule);
  const app = await core.NestFactory.create(AppModule, { logger: false, abortOnError: false });
  app.useWebSocketAdapter(new library.WsAuthAdapter(app));
  try {
    await app.listen(0, '127.0.0.1');
    const url = `ws://127.0.0.1:${app.getHttpServer().address().port}/ws`;
    const { session } = await app.get(library.WsSessionService).create({ userId: 'ada' });
    const { ticket } = await app.get(library.WsTicketService).issue({ session: session.id });
    const attempts = {
      bearer: [url, { headers: { Authorization: `Bearer ${token()}` } }],
      ticket: [`${url}?ticket=${ticket}`, {}],
      'first-message': [url, {}, JSON.stringify({ event: 'auth', data: { token: token() } })],
    };
    const proved = [];
    for (const [kind, [address, options, first]] of Object.entries(attempts)) {
      const client = new ws.WebSocket(address, options);
      if ((await whoami(client, first)) === 'ada') proved.push(kind);
    }
    const refused = new ws.WebSocket(`${url}?ticket=${ticket}`);
    const [, response] = await once(
      refused.on('error', () => {}),
      'unexpected-response',
    );
    if (response.statusCode === 401) proved.push('a ticket only once');
    return proved;
  } finally {
    await app.close();
  }
};

/** Asks, once it is admitted, who it is. */
async function whoami(client, first) {
  if (first) client.once('open', () => client.send(first));
  try {
    for await (const [data] of on(client, 'message', { signal: AbortSignal.timeout(10_000) })) {
      const { event, data: id } = JSON.parse(String(data));
      if (event === 'auth.ok') client.send(JSON.stringify({ event: 'whoami' }));
      if (event === 'whoami') return id;
    }
  } finally {
    client.terminate();
  }
}

function token() {
  const now = Math.floor(Date.now() / 1_000);
  const claims = {
    iss: 'https://issuer.example',
    aud: 'chat',
    sub: 'ada',
    iat: now,
    exp: now + 600,
    jti: 'one',
  };
  const head = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  return [...head, createHmac('sha256', secret).update(head.join('.')).digest('base64url')].join('.');
}
