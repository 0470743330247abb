// A client as small as it gets: log in, fetch a ticket for each connection, open the socket with it.
const element = (id) => document.getElementById(id);

let socket;

element('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const username = element('username').value;
  const roles = element('isAdmin').checked ? ['admin'] : [];
  const response = await post('/login', { username, roles });
  log(response.ok ? 'note' : 'closed', `POST /login → ${response.status}`);
  if (!response.ok) return;
  show('in', `logged in as ${username}`);
  enable({ connect: true, logout: true });
});

element('connect').addEventListener('click', async () => {
  const response = await post('/ws-auth/ticket', { path: '/ws' });
  log('note', `POST /ws-auth/ticket → ${response.status}`);
  if (!response.ok) return;
  const { ticket } = await response.json();
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  open(`${scheme}://${location.host}/ws?ticket=${ticket}`);
});

element('message').addEventListener('submit', (event) => {
  event.preventDefault();
  const message = { event: element('event').value, data: element('data').value };
  socket?.send(JSON.stringify(message));
  log('sent', `→ ${JSON.stringify(message)}`);
});

element('logout').addEventListener('click', async () => {
  const response = await post('/ws-auth/logout');
  log('note', `POST /ws-auth/logout → ${response.status}`);
  enable({ connect: false, logout: false });
  if (!socket) show('out', 'logged out');
});

function open(url) {
  socket = new WebSocket(url, ['ws-auth.v1']);
  socket.addEventListener('open', () => {
    show('open', 'connected');
    enable({ send: true, connect: false });
  });
  socket.addEventListener('message', ({ data }) => log('received', `← ${data}`));
  socket.addEventListener('close', ({ code, reason }) => {
    socket = undefined;
    show('closed', `closed ${code}`);
    log('closed', `closed ${code} ${reason}`);
    enable({ send: false, connect: !element('logout').disabled });
  });
}

function post(path, body) {
  return fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

function log(kind, text) {
  const item = document.createElement('li');
  item.dataset.kind = kind;
  item.textContent = text;
  element('log').prepend(item);
}

function show(state, text) {
  element('state').dataset.state = state;
  element('state').textContent = text;
}

function enable(buttons) {
  for (const [id, isEnabled] of Object.entries(buttons)) element(id).disabled = !isEnabled;
}
