import { byId } from './dom.js';

/** Where everything is, as the server says. */
export const { ports, hasCertificates } = await (await fetch('/lab/settings')).json();

export const ownSite = (port = ports.page) => `ws://localhost:${port}`;
export const otherSite = (port) => `ws://127.0.0.1:${port}`;
export const otherSiteHttp = `http://127.0.0.1:${ports.page}`;

/** This tab, among all that look. */
const viewer = [...crypto.getRandomValues(new Uint8Array(6))]
  .map((byte) => byte.toString(16).padStart(2, '0'))
  .join('');
const listeners = new Map();
let attempts = 0;

const source = new EventSource(`/lab/wire?viewer=${viewer}`);
source.addEventListener('message', ({ data }) => {
  const event = JSON.parse(data);
  listeners.get(event.attempt)?.(event);
});

/** Resolves when the server tells what it sees. */
export const live = new Promise((resolve) => source.addEventListener('open', resolve, { once: true }));

/** Names a new attempt: the server tells of what came with `try=<name>`. */
export function newAttempt(listener) {
  const attempt = `${viewer}.${++attempts}`;
  listeners.set(attempt, listener);
  return attempt;
}

export function post(path, body = {}) {
  return fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** Kept, so that a page that is loaded again knows whom to ask for; the login itself is in the cookie. */
const USER = 'playground.user';

export async function logIn() {
  const username = byId('username').value;
  const { status, ok } = await post('/login', { username });
  if (!ok) {
    showUser(null, `refused: ${status}`);
    throw new Error(`the login was refused: ${status}`);
  }
  showUser(username, `logged in as ${username}`);
}

export async function logOut() {
  await post('/ws-auth/logout');
  showUser(null, 'logged out');
}

/** Takes up the login of this browser, if it is still good. */
export async function resume() {
  const username = localStorage.getItem(USER);
  if (username === null) return;
  const isGood = (await fetch('/ws-auth/sessions')).ok;
  if (isGood) byId('username').value = username;
  showUser(isGood ? username : null, isGood ? `logged in as ${username}` : 'not logged in');
}

export function showUser(username, text) {
  byId('user').textContent = text;
  byId('user').dataset.state = username === null ? 'idle' : 'open';
  byId('enter').textContent = username === null ? 'Log in' : 'Log out';
  if (username === null) localStorage.removeItem(USER);
  else localStorage.setItem(USER, username);
}

/** The caller's sessions; logs in first where there is none. */
export async function ensureSession() {
  if (byId('user').dataset.state !== 'open') await logIn();
  const response = await fetch('/ws-auth/sessions');
  if (response.ok) return response.json();
  await logIn();
  return (await fetch('/ws-auth/sessions')).json();
}
