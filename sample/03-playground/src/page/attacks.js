import { connect } from './attempt.js';
import { encode, fetchTicket, fetchToken, TOKEN_PROTOCOL, VERSION } from './credentials.js';
import { revokeFromElsewhere } from './elsewhere.js';
import { openForeignPage } from './foreign-frame.js';
import { otherSite, ports } from './lab.js';

const FLOOD = 1_000;

/** It was stopped when the socket did not open, or did not stay open, and the code is the one that is promised. */
const stoppedBy = (code, result) => Object.assign(result, { isStopped: result.code === code });

/** A ticket for a path, presented wherever one likes. */
async function obtainTicket(log) {
  const ticket = await fetchTicket(log, { path: '/ticket' });
  return (path, { by = log, keep = false } = {}) => {
    const url = `${otherSite(ports.gateway)}${path}?ticket=${ticket}`;
    return connect(by, { url, protocols: [VERSION], secrets: [ticket], keep });
  };
}

async function presentToken(log, lifeSeconds) {
  const encoded = encode(await fetchToken(log, lifeSeconds));
  const protocols = [VERSION, TOKEN_PROTOCOL + encoded];
  return connect(log, {
    url: `${otherSite(ports.gateway)}/token`,
    protocols,
    secrets: [encoded],
    keep: true,
  });
}

async function flood(log) {
  const present = await obtainTicket(log);
  const result = await present('/ticket', { keep: true });
  if (!result.isOpen) return result;
  const { socket, frames } = result;
  const before = frames.length;
  const begun = performance.now();
  log.isQuiet = true;
  let sent = 0;
  while (sent < FLOOD && socket.readyState === WebSocket.OPEN) {
    for (let inTurn = 0; inTurn < FLOOD / 25; inTurn += 1, sent += 1) socket.send('{"event":"hello"}');
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  await result.closed;
  const ms = Math.round(performance.now() - begun);
  const events = frames.slice(before).map((frame) => JSON.parse(frame).event);
  const count = (event) => events.filter((name) => name === event).length;
  log.page(`→ ${sent} × {"event":"hello"}`);
  log.page(`← ${count('hello')} × hello, ${count('rate')} × rate`);
  result.browser = `${sent} sent, ${count('hello')} answered, ${count('rate')} refused, closed ${result.code} after ${ms} ms`;
  return stoppedBy(4429, result);
}

/** Each attack: what is tried, what stops it, and which requirements say so. */
export const ATTACKS = [
  {
    id: 'cross-site',
    title: 'A page of somebody else’s',
    about:
      'You look at a page of theirs. It opens a socket here, and your browser adds what it knows of you (CSWSH).',
    rule: 'Origin is compared with the list before any credential is looked at.',
    requirements: ['OR-01', 'OR-06', 'CK-01'],
    steps: [
      {
        label: 'From another site: the cookie stays at home',
        run: (log, place) => openForeignPage(log, `http://127.0.0.1:${ports.foreign}`, place),
      },
      {
        label: 'From the same site, another port: SameSite lets the cookie through',
        run: (log, place) => openForeignPage(log, `http://localhost:${ports.foreign}`, place),
      },
    ],
  },
  {
    id: 'replay',
    title: 'A ticket, replayed',
    about: 'The ticket was read in an access log, and is used a second time.',
    rule: 'A ticket works once. The second use is refused, and told from a wrong one in the audit log.',
    requirements: ['TK-02', 'TK-04'],
    steps: [
      {
        label: 'The owner has used it; then somebody else does',
        run: async (log) => {
          const present = await obtainTicket(log);
          const owner = await present('/ticket');
          const thief = await present('/ticket');
          return stoppedBy(owner.isOpen ? 4401 : undefined, thief);
        },
      },
    ],
  },
  {
    id: 'another-path',
    title: 'A stolen ticket, on another path',
    about: 'A ticket for /ticket is presented at /admin, before its owner has used it.',
    rule: 'A ticket is bound to session, Origin and path. Whoever presents it elsewhere did not get it from us, so it is spent.',
    requirements: ['TK-04', 'TK-05'],
    steps: [
      {
        label: 'The thief, at /admin',
        run: async (log, _place, kept) => {
          kept.present = await obtainTicket(log);
          return stoppedBy(4401, await kept.present('/admin'));
        },
      },
      {
        label: 'The ticket is worth nothing any more, at /ticket either',
        run: async (log, _place, kept) => stoppedBy(4401, await kept.present('/ticket', { by: log })),
      },
    ],
  },
  {
    id: 'expired',
    title: 'A token that has expired',
    about: 'It was good yesterday; or it was good when the socket was opened.',
    rule: 'A token is verified at the handshake, and its socket is closed when it ends.',
    requirements: ['JW-02', 'JW-06'],
    steps: [
      {
        label: 'Expired a quarter of an hour ago',
        run: async (log) => stoppedBy(4401, await presentToken(log, -900)),
      },
      {
        label: 'Expires while the socket is open, in 3 seconds',
        run: async (log) => {
          const result = await presentToken(log, 3);
          await result.closed;
          result.browser = `open, then closed ${result.code} ${result.reason.split(';', 1)[0]}`;
          return stoppedBy(4419, result);
        },
      },
    ],
  },
  {
    id: 'flood',
    title: 'A flood',
    about: `One socket, well authenticated, sends ${FLOOD} messages as fast as it can.`,
    rule: 'Messages are counted by connection and user before they are parsed. Others are served meanwhile.',
    requirements: ['TH-02'],
    steps: [
      { label: `${FLOOD} messages at once`, run: flood },
      {
        label: 'Another socket of the same user, at the same time',
        run: async (log) => (await obtainTicket(log))('/ticket'),
      },
    ],
  },
  {
    id: 'elsewhere',
    title: 'Ended from elsewhere',
    about: 'No attack, but the answer to one: from another device, you end this session.',
    rule: 'The session ends, and with it its sockets: nothing more is dispatched or sent, then Close.',
    requirements: ['SE-01', 'SE-02', 'TK-06'],
    steps: [
      { label: 'Three sockets, by ticket, first message and cookie', run: revokeFromElsewhere },
      {
        label: 'The token of that session, afterwards',
        run: async (log, _place, kept) => stoppedBy(4401, await kept.presentToken(log)),
      },
    ],
  },
];
