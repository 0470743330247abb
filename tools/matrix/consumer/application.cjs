const { randomBytes } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { makeSecretIssuer, startPublishingIssuer } = require('./secrets.cjs');
const { ORIGIN } = require('./ways-in.cjs');

const read = (name) => readFileSync(join(__dirname, 'certificates', name));

/**
 * Boots an application on the packed package that takes every kind of credential.
 *
 * @param modules the package and what it stands on, loaded as the caller loads modules
 * @param ground `adapter` makes the HTTP adapter, `tls` asks for HTTPS, `published` for an issuer that publishes its keys
 */
exports.startApplication = async (modules, { adapter, tls = false, published = false }) => {
  const { common, library } = modules;
  const password = randomBytes(16).toString('hex');
  const issuer = makeSecretIssuer('https://issuer.example');
  const publisher = published ? await startPublishingIssuer('https://idp.example') : undefined;
  const atHandshake = [
    'ticket',
    'bearer',
    'cookie',
    'basic',
    'api-key',
    ...(tls ? ['client-certificate'] : []),
  ];
  const auth = library.WsAuthModule.forRoot({
    origins: [ORIGIN],
    credentials: [...atHandshake, 'first-message'],
    jwt: publisher ? [issuer.jwt, publisher.jwt] : issuer.jwt,
    basic: { verify: (user, given) => (given === password ? { id: user } : null), tokenUser: 'token' },
    clientCertificate: tls ? { principal: ({ subject }) => ({ id: subject.CN }) } : undefined,
    readers: [
      {
        kind: 'api-key',
        read: ({ headers }) => headers['x-api-key'] ?? null,
        verify: (key) => (key.startsWith('key of ') ? { id: key.slice('key of '.length) } : null),
      },
    ],
    handshake: { refuseBrowsersWith: 'http-status' },
    controller: true,
  });
  class AppModule {}
  const providers = [
    makeGateway(modules, '/ws', atHandshake),
    makeGateway(modules, '/first', ['ticket', 'bearer', 'first-message']),
  ];
  common.Module({ imports: [auth], controllers: [makeLogin(modules)], providers })(AppModule);
  const httpsOptions = tls
    ? {
        key: read('server.key'),
        cert: read('server.pem'),
        ca: read('ca.pem'),
        requestCert: true,
        rejectUnauthorized: false,
      }
    : undefined;
  const app = await modules.create(AppModule, adapter?.(httpsOptions), {
    logger: false,
    abortOnError: false,
    httpsOptions,
  });
  app.useWebSocketAdapter(new library.WsAuthAdapter(app));
  await app.listen(0, '127.0.0.1');
  return {
    app,
    tls,
    password,
    issuer,
    publisher,
    ca: tls ? read('ca.pem') : undefined,
    certificateOf: (name) => ({ key: read(`${name}.key`), cert: read(`${name}.pem`) }),
    host: `127.0.0.1:${app.getHttpServer().address().port}`,
    async close() {
      await app.close();
      publisher?.stop();
    },
  };
};

/** Says who is there. A class of its own for each application. */
function makeGateway({ websockets, library }, path, credentials) {
  class Gateway {
    whoami(client) {
      const { principal, credential } = library.wsConnection(client);
      return { event: 'whoami', data: { id: principal.id, credential } };
    }
  }
  decorate(websockets.SubscribeMessage('whoami'), Gateway, 'whoami');
  websockets.WebSocketGateway({ path })(Gateway);
  library.WsAuth({ credentials })(Gateway);
  return Gateway;
}

/** Lets in any name, and answers with the session cookie. */
function makeLogin({ common, library }) {
  class LoginController {
    async login({ user }, request, response) {
      const { token } = await this.sessions.create({ userId: user });
      response.header('Set-Cookie', this.cookie.issue(request, token));
    }
  }
  common.Inject(library.WsSessionService)(LoginController.prototype, 'sessions');
  common.Inject(library.WsSessionCookie)(LoginController.prototype, 'cookie');
  for (const [index, parameter] of [common.Body(), common.Req(), common.Res({ passthrough: true })].entries())
    parameter(LoginController.prototype, 'login', index);
  decorate(common.Post('login'), LoginController, 'login');
  common.Controller()(LoginController);
  return LoginController;
}

function decorate(decorator, { prototype }, name) {
  decorator(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
}
