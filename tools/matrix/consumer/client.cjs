const { once, on } = require('node:events');
const http = require('node:http');
const https = require('node:https');
const { ORIGIN } = require('./ways-in.cjs');

const PATIENCE_MS = 15_000;

/** Logs in and asks for a ticket for a gateway, as a page does. */
exports.logIn = async (application, user, path) => {
  const login = await post(application, '/login', { user });
  const [cookie] = login.headers['set-cookie'][0].split(';');
  const { body } = await post(application, '/ws-auth/ticket', { path }, { Cookie: cookie });
  return { cookie, ticket: JSON.parse(body).ticket };
};

async function post({ host, tls, ca }, path, content, headers = {}) {
  const request = (tls ? https : http).request(`${tls ? 'https' : 'http'}://${host}${path}`, {
    method: 'POST',
    headers: { Origin: ORIGIN, 'Content-Type': 'application/json', ...headers },
    ca,
  });
  request.end(JSON.stringify(content));
  const [response] = await once(request, 'response', { signal: AbortSignal.timeout(PATIENCE_MS) });
  let body = '';
  for await (const chunk of response) body += chunk;
  if (response.statusCode !== 201) throw new Error(`POST ${path} ${response.statusCode} ${body}`);
  return { headers: response.headers, body };
}

/** A connection that is opened with what a way in carries. */
exports.Client = class Client {
  #socket;
  /** The status of the handshake's response, when it was opened. */
  opened;
  /** Resolves with the status of a refusal, or with the code of a close. */
  end;

  constructor({ WebSocket }, { host, tls, ca }, path, carried) {
    const { userInfo = '', query = '', protocols = [], headers, certificate, first } = carried;
    const url = `${tls ? 'wss' : 'ws'}://${userInfo}${host}${path}${query}`;
    this.#socket = new WebSocket(url, protocols, { headers, ca, ...certificate });
    this.#socket.on('error', () => {});
    this.#socket.once('upgrade', ({ statusCode }) => (this.opened = statusCode));
    this.end = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('neither refused nor closed')), PATIENCE_MS);
      const end = (number) => {
        clearTimeout(timer);
        resolve(number);
      };
      this.#socket.once('unexpected-response', (_, { statusCode }) => end(statusCode));
      this.#socket.once('close', end);
    });
    this.#socket.once('open', () => {
      if (first) this.#socket.send(JSON.stringify({ event: 'auth', data: first }));
      this.#socket.send(JSON.stringify({ event: 'whoami' }));
    });
  }

  /** @returns who the gateway sees, or `undefined` when it was refused */
  whoAmI() {
    return Promise.race([this.#answer(), this.end.then(() => undefined)]);
  }

  async #answer() {
    for await (const [data] of on(this.#socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })) {
      const { event, data: who } = JSON.parse(String(data));
      if (event === 'whoami') return who;
    }
  }

  terminate() {
    this.#socket.terminate();
  }
};
