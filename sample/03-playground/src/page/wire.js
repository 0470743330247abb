import { make } from './dom.js';
import { newAttempt } from './lab.js';

/** How long the server's side of a story is waited for, once the browser has told its own. */
const PATIENCE_MS = 8_000;

/** One try: what the page did, what came over the wire, and what the server made of it. */
export class Log {
  handshakes = [];
  #list;
  #changed;
  #waiting = () => {};

  /** @param list where the lines go  @param changed called for each */
  constructor(list, changed) {
    this.#list = list;
    this.#changed = changed;
    this.attempt = newAttempt((event) => this.#see(event));
  }

  page(text) {
    this.#add('page', text);
  }

  /** Resolves when the server has written down a success, or a refusal, or when it keeps silent. */
  async heard(outcome) {
    const isThere = () => this.handshakes.at(-1)?.audits.some((audit) => audit.outcome === outcome);
    const isOver = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
    const isHeard = new Promise((resolve) => {
      this.#waiting = () => isThere() && resolve();
      this.#waiting();
    });
    await Promise.race([isHeard, isOver]);
  }

  /** What the server saw of each handshake, and what it made of it. */
  get server() {
    return this.handshakes.map(({ lines, audits }) => ({
      facts: describe(lines),
      verdicts: audits.map(verdict),
      outcome: audits.at(-1)?.outcome,
    }));
  }

  #see(event) {
    if (event.kind === 'handshake') {
      this.handshakes.push({ lines: event.lines, audits: [] });
      for (const line of event.lines) this.#add('wire', line);
    } else if (event.kind === 'audit') {
      const { event: audit } = event;
      if (audit.outcome !== 'closed') this.handshakes.at(-1)?.audits.push(audit);
      this.#add('audit', auditLine(audit));
    } else {
      this.#add('gateway', `handleConnection: ${event.principal}, by ${event.credential}`);
    }
    this.#waiting();
  }

  #add(lane, text) {
    this.#list.append(make('li', { 'data-lane': lane }, make('b', { text: lane }), make('span', { text })));
    this.#changed();
  }
}

function auditLine(audit) {
  const { event, outcome, reasonCode, status, closeCode, method, principal, ticketRef, sessionRef, sockets } =
    audit;
  const answer = closeCode ?? status;
  return [
    event,
    outcome,
    reasonCode,
    answer && String(answer),
    method && `by ${method}`,
    principal,
    ticketRef && `ticket #${ticketRef.slice(0, 6)}`,
    sessionRef && `session #${sessionRef.slice(0, 6)}`,
    sockets && `${sockets} sockets`,
  ]
    .filter(Boolean)
    .join(' · ');
}

const verdict = ({ event, reasonCode, outcome }) =>
  outcome === 'success' ? event : `${event}: ${reasonCode}`;

/** What a handshake carried. */
function describe(lines) {
  const [request, ...headers] = lines;
  const value = (name) =>
    headers.find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}: `))?.slice(name.length + 2);
  const parameter = /[?&](\w+)=•••/.exec(request)?.[1];
  const carrier = /(ticket|bearer)\.ws-auth\.•••/.exec(value('Sec-WebSocket-Protocol') ?? '')?.[1];
  const cookie = value('Cookie');
  const authorization = value('Authorization');
  return [
    value('Origin') ? `Origin ${value('Origin')}` : 'no Origin',
    parameter && `${parameter} in the query`,
    carrier && `${carrier} in a subprotocol`,
    authorization && `Authorization: ${authorization}`,
    cookie ? `Cookie: ${cookie}` : 'no cookie',
  ].filter(Boolean);
}
