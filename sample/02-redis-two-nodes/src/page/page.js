// Talks HTTP to the node that serves it, and opens a socket at each node with a ticket from there.
const element = (id) => document.getElementById(id);
const NAMES = ['A', 'B'];

const sockets = {};
let isLoggedIn = false;
let loggedOutAt = 0;

const { name: here, ports } = await (await fetch('/nodes')).json();
for (const span of document.querySelectorAll('[data-here]')) span.textContent = here;
for (const name of NAMES) {
  element(`port-${name}`).textContent = `port ${ports[name]}`;
  element(`connect-${name}`).addEventListener('click', () => connect(name));
  element(`hello-${name}`).addEventListener('click', () => say(name, { event: 'hello' }));
}
element('enter').disabled = false;

element('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const username = element('username').value;
  const response = await post('/login', { username });
  isLoggedIn = response.ok;
  element('user').textContent = response.ok ? `logged in as ${username}` : `refused: ${response.status}`;
  element('answer').textContent = '';
  refresh();
});

element('logout').addEventListener('click', async () => {
  loggedOutAt = performance.now();
  const response = await post('/logout');
  const { sockets: closed, nodes, pending } = await response.json();
  element('answer').textContent = response.ok
    ? `{ sockets: ${closed}, nodes: ${nodes}, pending: ${pending} }`
    : `refused: ${response.status}`;
  element('user').textContent = 'logged out';
  isLoggedIn = false;
  refresh();
});

async function connect(name) {
  element(`connect-${name}`).disabled = true;
  const response = await post('/ws-auth/ticket', { path: '/ws' });
  log(name, 'note', `ticket from ${here} → ${response.status}`);
  if (!response.ok) return refresh();
  const { ticket } = await response.json();
  const socket = new WebSocket(`ws://${location.hostname}:${ports[name]}/ws?ticket=${ticket}`, [
    'ws-auth.v1',
  ]);
  sockets[name] = socket;
  refresh();
  socket.addEventListener('open', () => {
    show(name, 'open', 'connected');
    refresh();
  });
  socket.addEventListener('message', ({ data }) => log(name, 'received', `← ${data}`));
  socket.addEventListener('close', ({ code, reason }) => {
    const ms = Math.round(performance.now() - loggedOutAt);
    sockets[name] = undefined;
    show(name, 'closed', `closed ${code}`);
    const after = code === 4410 ? `, ${ms} ms after the click` : '';
    log(name, 'closed', `closed ${code} ${reason.split(';', 1)[0]}${after}`);
    refresh();
  });
}

function say(name, message) {
  const text = JSON.stringify(message);
  sockets[name].send(text);
  log(name, 'sent', `→ ${text}`);
}

function post(path, body) {
  return fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

function log(name, kind, text) {
  const item = document.createElement('li');
  item.dataset.kind = kind;
  item.textContent = text;
  element(`log-${name}`).prepend(item);
}

function show(name, state, text) {
  element(`state-${name}`).dataset.state = state;
  element(`state-${name}`).textContent = text;
}

function refresh() {
  element('logout').disabled = !isLoggedIn;
  for (const name of NAMES) {
    element(`connect-${name}`).disabled = !isLoggedIn || sockets[name] !== undefined;
    element(`hello-${name}`).disabled = sockets[name]?.readyState !== WebSocket.OPEN;
  }
}
