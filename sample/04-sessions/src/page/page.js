// Asks over HTTP, and asks again when its socket says that something has changed. No timer asks: a request is a use of the
// session, and a page that is left open must not keep it alive.
import { element, make, refreshTimes, showSessions, showUsers } from './view.js';

const MEANING = {
  4410: 'this session was ended',
  4419: 'this session has run out',
};
const LOG_LINES = 50;

/** That there may be a login, for when the page is opened again: the cookie itself is out of reach of scripts. */
const mark = {
  isSet: () => localStorage.getItem('isLoggedIn') !== null,
  set: () => localStorage.setItem('isLoggedIn', 'yes'),
  clear: () => localStorage.removeItem('isLoggedIn'),
};

let socket;
let isLoading = false;
let isStale = false;
/** Counts the ends: what was asked before one is not shown after it. */
let ends = 0;

for (const { id, roles } of await (await fetch('/users')).json()) {
  const text = roles.length > 0 ? `${id} (${roles.join(', ')})` : id;
  element('username').append(make('option', { value: id, textContent: text }));
}
element('log-in').disabled = false;
setInterval(refreshTimes, 10_000);
document.addEventListener('visibilitychange', () => isStale && load());

element('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const { ok } = await ask('POST', '/login', { username: element('username').value });
  if (!ok) return;
  mark.set();
  await enter();
  element('mine-title').focus();
});
element('log-out').addEventListener('click', async () => {
  await ask('POST', '/ws-auth/logout');
  mark.clear();
  if (!socket && !element('mine').hidden) leave('logged out');
});
element('refresh').addEventListener('click', load);
element('end-others').addEventListener('click', () => ask('DELETE', '/sessions/others'));

if (mark.isSet()) await enter();

/** Shows what there is, and opens the socket: a ticket for each attempt. */
async function enter() {
  if (!(await load())) return leave(mark.isSet() ? 'no answer; reload the page to try again' : 'logged out');
  const { ok, body } = await ask('POST', '/ws-auth/ticket');
  if (!ok) return leave('no ticket; reload the page to try again');
  socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws?ticket=${body.ticket}`, ['ws-auth.v1']);
  socket.addEventListener('open', () => state('open', 'connected'));
  socket.addEventListener('message', ({ data }) => {
    log('received', `← ${data}`);
    if (JSON.parse(data).event === 'changed') void load();
  });
  socket.addEventListener('close', ({ code, reason }) => {
    const word = reason.split(';', 1)[0];
    log('closed', `closed ${code} ${word}`);
    leave(`closed ${code}: ${MEANING[code] ?? `${word}; reload the page to come back`}`, code);
  });
}

/** The session is over, or nobody tells any more of what changes: what is shown would grow old. */
function leave(text, code) {
  socket = undefined;
  ends += 1;
  if (code >= 4400) mark.clear();
  const hadFocus = ['log-out', 'mine', 'everybody'].some((id) =>
    element(id).contains(document.activeElement),
  );
  reveal(false, false);
  state(code === undefined ? 'out' : 'closed', text);
  if (hadFocus) element('enter').focus();
}

/** @returns whether somebody is logged in */
async function load() {
  isStale = document.hidden || isLoading;
  if (isStale) return true;
  isLoading = true;
  const round = ends;
  const me = await ask('GET', '/me');
  const isAdmin = me.ok && me.body.roles.includes('admin');
  const [mine, users] = await Promise.all([
    me.ok && ask('GET', '/ws-auth/sessions'),
    isAdmin && ask('GET', '/admin/users'),
  ]);
  isLoading = false;
  if (!me.ok || !mine.ok || round !== ends) return false;
  element('name').textContent = me.body.id;
  showMine(mine.body);
  if (users?.ok) showEverybody(users.body);
  reveal(true, isAdmin);
  if (isStale) return load();
  return true;
}

function showMine(sessions) {
  element('end-others').disabled = sessions.length < 2;
  showSessions(element('my-sessions'), sessions, ({ ref, current }) =>
    current ? [] : [['End', () => ask('DELETE', `/ws-auth/sessions/${ref}`)]],
  );
}

function showEverybody(users) {
  showUsers(element('users'), users, {
    endAll: ({ id }) => ask('DELETE', `/admin/users/${id}/sessions`),
    ofSession: (user, { id }) => [
      ['End', () => ask('DELETE', `/admin/sessions/${id}`)],
      ...(user.sessions.length > 1
        ? [['End all but this', () => ask('DELETE', `/admin/users/${user.id}/sessions?except=${id}`)]]
        : []),
    ],
  });
}

function reveal(isLoggedIn, isAdmin) {
  element('out').hidden = isLoggedIn;
  for (const id of ['name', 'log-out', 'mine']) element(id).hidden = !isLoggedIn;
  for (const id of ['role', 'everybody']) element(id).hidden = !isAdmin;
}

async function ask(method, path, body) {
  const headers = { 'content-type': 'application/json' };
  const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const response = await fetch(path, init).catch(() => undefined);
  if (!response) {
    log('closed', `${method} ${path}: no answer`);
    return { ok: false };
  }
  if (response.status === 401) mark.clear();
  const text = await response.text();
  const answer = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : undefined;
  if (method !== 'GET') log('note', `${method} ${path} → ${response.status}${told(answer)}`);
  return { ok: response.ok, body: answer };
}

/** What a revocation answers. */
function told({ sockets, nodes, pending } = {}) {
  return sockets === undefined ? '' : ` { sockets: ${sockets}, nodes: ${nodes}, pending: ${pending} }`;
}

function state(kind, text) {
  element('state').dataset.state = kind;
  element('state').textContent = text;
}

function log(kind, text) {
  const item = make('li', { textContent: text });
  item.dataset.kind = kind;
  element('log').prepend(item);
  while (element('log').children.length > LOG_LINES) element('log').lastChild.remove();
}
