import { connect } from './attempt.js';
import { fetchCookieByFrame } from './cookie-frame.js';
import { auth, encode, fetchTicket, fetchToken, TOKEN_PROTOCOL, VERSION } from './credentials.js';
import { ensureSession, otherSite, otherSiteHttp, ownSite, ports, post } from './lab.js';

/** A token with another signature. The last character has bits that do not count, so it is the tenth that changes. */
const forge = (token) => `${token.slice(0, -10)}${token.at(-10) === 'A' ? 'B' : 'A'}${token.slice(-9)}`;

async function byMachine(log, way, isSpoilt) {
  const response = await post('/lab/machine', { way, isSpoilt, attempt: log.attempt });
  if (!response.ok) return { isOpen: false, browser: (await response.json()).message };
  const { sent, opened, status, problem, challenges = [], frames } = await response.json();
  log.page(`machine: ${sent}`);
  for (const challenge of challenges) log.page(`machine: ← WWW-Authenticate: ${challenge}`);
  for (const frame of frames) log.page(`machine: ← ${frame}`);
  await log.heard(opened ? 'success' : 'refused');
  return {
    isOpen: opened,
    code: status,
    browser: opened ? `machine: ${status}, and answered` : `machine: ${status} ${problem}`,
  };
}

async function forgetCookie(log) {
  await fetch(`${otherSiteHttp}/lab/forget-cookie`, { method: 'POST', credentials: 'include' });
  log.page('the cookie of 127.0.0.1, if there is one, is taken away');
}

/** Each way in: used as it should be, and as it should not. */
export const WAYS = [
  {
    id: 'first-message',
    title: 'First message',
    carrier: 'a message',
    code: 'socket.send({ event: "auth", data: { token } })',
    leak: 'Nowhere on the way: no URL, no header. In the page, like every token that a script can read.',
    use: 'The page has a token anyway, and nothing may stand in a URL.',
    steps: [
      {
        label: 'Token in the first frame',
        run: async (log) => {
          const token = await fetchToken(log);
          const url = `${otherSite(ports.gateway)}/first-message`;
          return connect(log, { url, first: auth(token), secrets: [token] });
        },
      },
      {
        label: 'Talks before it has said who it is',
        run: (log) => connect(log, { url: `${otherSite(ports.gateway)}/first-message` }),
      },
    ],
  },
  {
    id: 'ticket-query',
    title: 'Ticket in the query',
    carrier: 'the URL',
    code: 'new WebSocket("wss://…/ticket?ticket=" + ticket)',
    leak: 'Access logs and proxies keep URLs. This one is spent when they write it, and fits one session, one page, one path.',
    use: 'Browsers. The default: every client and every proxy can do it.',
    steps: [
      {
        label: 'A ticket, once',
        run: async (log) => {
          const ticket = await fetchTicket(log, { path: '/ticket' });
          const url = `${otherSite(ports.gateway)}/ticket?ticket=${ticket}`;
          return connect(log, { url, protocols: [VERSION], secrets: [ticket] });
        },
      },
      {
        label: 'A long-lived token there instead',
        run: async (log) => {
          const token = await fetchToken(log);
          const url = `${otherSite(ports.gateway)}/ticket?token=${token}`;
          return connect(log, { url, protocols: [VERSION], secrets: [token] });
        },
      },
    ],
  },
  {
    id: 'ticket-subprotocol',
    title: 'Ticket in a subprotocol',
    carrier: 'a header',
    code: 'new WebSocket(url, ["ws-auth.v1", "ticket.ws-auth." + ticket])',
    leak: 'Logs that record headers; spent by then as well. It is never echoed.',
    use: 'Browsers, where URLs are logged and even a spent ticket should not be there.',
    steps: [
      {
        label: 'Beside a real subprotocol',
        run: async (log) => {
          const ticket = await fetchTicket(log, { path: '/ticket' });
          const protocols = [VERSION, `ticket.ws-auth.${ticket}`];
          return connect(log, { url: `${otherSite(ports.gateway)}/ticket`, protocols, secrets: [ticket] });
        },
      },
      {
        label: 'Alone: there is nothing that the server could choose',
        run: async (log) => {
          const ticket = await fetchTicket(log, { path: '/ticket' });
          const protocols = [`ticket.ws-auth.${ticket}`];
          return connect(log, { url: `${otherSite(ports.gateway)}/ticket`, protocols, secrets: [ticket] });
        },
      },
    ],
  },
  {
    id: 'bearer-subprotocol',
    title: 'Bearer in a subprotocol',
    carrier: 'a header',
    code: 'new WebSocket(url, ["ws-auth.v1", "base64url.bearer.ws-auth.…"])',
    leak: 'Logs that record headers, and there it is good until it expires.',
    use: 'The page has a short-lived token, and you know what logs headers.',
    steps: [
      {
        label: 'Token in base64url',
        run: async (log) => {
          const encoded = encode(await fetchToken(log));
          const protocols = [VERSION, TOKEN_PROTOCOL + encoded];
          return connect(log, { url: `${otherSite(ports.gateway)}/token`, protocols, secrets: [encoded] });
        },
      },
      {
        label: 'One character of the signature is another',
        run: async (log) => {
          const encoded = encode(forge(await fetchToken(log)));
          const protocols = [VERSION, TOKEN_PROTOCOL + encoded];
          return connect(log, { url: `${otherSite(ports.gateway)}/token`, protocols, secrets: [encoded] });
        },
      },
    ],
  },
  {
    id: 'cookie-same-site',
    title: 'Cookie on the same site',
    carrier: 'a cookie',
    code: 'new WebSocket("wss://this-host/cookie")',
    leak: 'No script can read it. But the browser adds it whoever asks: the Origin check is what protects it.',
    use: 'Page and gateway share a host.',
    steps: [
      {
        label: 'The page’s own host',
        run: async (log) => {
          await ensureSession();
          return connect(log, { url: `${ownSite()}/cookie`, protocols: [VERSION] });
        },
      },
      {
        label: 'Another port of it: cookies know no ports',
        run: async (log) => {
          await ensureSession();
          return connect(log, { url: `${ownSite(ports.gateway)}/cookie`, protocols: [VERSION] });
        },
      },
      {
        label: 'The same server by its other name, which is another site',
        run: async (log) => {
          await ensureSession();
          await forgetCookie(log);
          return connect(log, { url: `${otherSite(ports.page)}/cookie`, protocols: [VERSION] });
        },
      },
    ],
  },
  {
    id: 'cookie-cross-site',
    title: 'Cookie on another site',
    carrier: 'a cookie',
    code: 'frame.contentWindow.postMessage({ type: "ws-auth.cookie", ticket }, host)',
    leak: 'No script can read it, and pages of other sites do not have it: it is partitioned. SameSite is off, so again the Origin check protects it.',
    use: 'The gateway is on another site, and its clients know nothing but cookies.',
    steps: [
      {
        label: 'Before: that site knows nobody',
        run: async (log) => {
          await ensureSession();
          await forgetCookie(log);
          return connect(log, { url: `${otherSite(ports.cookie)}/cookie`, protocols: [VERSION] });
        },
      },
      {
        label: 'A hidden frame changes a ticket into a cookie there',
        run: async (log) => {
          const ticket = await fetchTicket(log, { use: 'cookie' });
          const answer = await fetchCookieByFrame(log, otherSiteHttp, ticket);
          if (!answer) return { isOpen: false, browser: 'the frame did not answer' };
          const result = await connect(log, {
            url: `${otherSite(ports.cookie)}/cookie`,
            protocols: [VERSION],
          });
          await forgetCookie(log);
          return result;
        },
      },
    ],
  },
  {
    id: 'url-user',
    title: 'User information in the URL',
    carrier: 'a header',
    code: 'new WebSocket("wss://token:" + token + "@…/basic")',
    leak: 'Wherever the page’s URLs go: error reports, the browser’s own console. And a browser that was asked once remembers it, for handshakes whose URL has none.',
    use: 'Machines that can set nothing but a URL. Not from a page.',
    steps: [
      {
        label: 'A gateway that does not ask',
        run: async (log) => {
          const token = await fetchToken(log);
          const url = `ws://token:${token}@127.0.0.1:${ports.gateway}/token`;
          return connect(log, { url, protocols: [VERSION], secrets: [token] });
        },
      },
      {
        label: 'A gateway on another site that asks, by a 401 with a Basic challenge',
        run: async (log) => {
          const token = await fetchToken(log);
          const url = `ws://token:${token}@127.0.0.1:${ports.basic}/basic`;
          return connect(log, { url, protocols: [VERSION], secrets: [token] });
        },
      },
      {
        label: 'The same gateway under the page’s own host name',
        run: async (log) => {
          const token = await fetchToken(log);
          const url = `ws://token:${token}@localhost:${ports.basic}/basic`;
          return connect(log, { url, protocols: [VERSION], secrets: [token] });
        },
      },
      {
        label: 'Once more, with nothing in the URL',
        run: (log) => connect(log, { url: `${ownSite(ports.basic)}/basic`, protocols: [VERSION] }),
      },
    ],
  },
  {
    id: 'machine-bearer',
    title: 'Bearer, by a machine',
    carrier: 'a header',
    code: 'Authorization: Bearer <token>',
    leak: 'Logs that record headers, until it expires.',
    use: 'Machines. A program sets the header that a browser cannot.',
    isMachine: true,
    steps: [
      { label: 'A token for this service', run: (log) => byMachine(log, 'bearer', false) },
      { label: 'A good token for another service', run: (log) => byMachine(log, 'bearer', true) },
    ],
  },
  {
    id: 'machine-basic',
    title: 'Basic, by a machine',
    carrier: 'a header',
    code: 'Authorization: Basic <user:password>',
    leak: 'The password itself goes along each time, so TLS is required, and guesses are counted.',
    use: 'What can do nothing else. Give it a gateway of its own.',
    isMachine: true,
    steps: [
      { label: 'User and password', run: (log) => byMachine(log, 'basic', false) },
      { label: 'A guess', run: (log) => byMachine(log, 'basic', true) },
    ],
  },
  {
    id: 'machine-certificate',
    title: 'TLS client certificate',
    carrier: 'TLS',
    code: 'tls.connect({ key, cert })',
    leak: 'Nothing that opens a door: the key does not leave the machine.',
    use: 'Machines of a closed network, where TLS ends in this process.',
    isMachine: true,
    steps: [
      {
        label: 'Signed by the authority that the server trusts',
        run: (log) => byMachine(log, 'certificate', false),
      },
      { label: 'The same name, signed by itself', run: (log) => byMachine(log, 'certificate', true) },
    ],
  },
];
