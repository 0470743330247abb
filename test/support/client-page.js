// What a page of the client's tests can do. Everything that goes to the test is plain data.
import { createClient } from './client.js';

const clients = {};

async function post(path, body) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body ?? {}),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.status === 204 ? undefined : response.json();
}

const CREDENTIALS = {
  guest: { ticket: async () => (await post('/guest-ticket')).ticket },
  ticket: { ticket: async () => (await post('/ws-auth/ticket', { path: '/ticket' })).ticket },
  token: { token: async () => (await post('/token?seconds=800')).token },
  shared: { token: async () => (await post('/token?seconds=800')).token, sharedAs: 'ada' },
  short: { token: async () => (await post('/token?seconds=8')).token, sharedAs: 'ada' },
  used: { ticket: async () => 'wst_5KKVp5UvCpmTMFq7.kN4Bu_GW1McyE0LWGoJgPbkNOuLad0GGuMkVho6LNeQ' },
  nobody: { ticket: async () => null },
  cookie: 'cookie',
};

globalThis.site = {
  post,
  /** Opens a client, and keeps what it tells. */
  open(name, { path, credential, ...options }) {
    const kept = { admissions: [], states: [] };
    const client = createClient({ url: path, credential: CREDENTIALS[credential], ...options });
    client.onStatus(({ state }) => kept.states.push(state));
    client.on('auth.ok', (admission) => kept.admissions.push(admission));
    clients[name] = { client, kept };
  },
  /** Resolves when the state is the one that is wanted, and rejects when it never will be. */
  until(name, state) {
    const { client } = clients[name];
    return new Promise((resolve, reject) => {
      const look = ({ state: now, kind }) => {
        if (now === state) resolve(now);
        else if (now === 'closed') reject(new Error(`closed: ${kind}`));
        else return;
        off();
      };
      const off = client.onStatus(look);
      look(client.status);
    });
  },
  request: (name, event, data) => clients[name].client.request(event, data),
  refresh: (name) => clients[name].client.refresh(),
  close: (name) => clients[name].client.close(),
  closed: (name) => clients[name].client.closed,
  kept(name) {
    const { client, kept } = clients[name];
    return { ...kept, state: client.state, code: client.status.close?.code };
  },
};
document.title = 'ready';
