import { ATTACKS } from './attacks.js';
import { announce, byId, make } from './dom.js';
import { ensureSession, live, logIn, logOut, otherSite, ports, resume } from './lab.js';
import { showAttack, showWay } from './cards.js';
import './theme.js';
import { WAYS } from './ways.js';

byId('way-list').append(...WAYS.map(({ id }) => make('li', { id: `way-${id}` })));
byId('attack-list').append(...ATTACKS.map(({ id }) => make('li', { id: `attack-${id}` })));
const ways = WAYS.map((way, index) => showWay(byId(`way-${way.id}`), way, index + 1));
byId('summary').append(...ways.map(({ summary }) => summary));
for (const attack of ATTACKS) showAttack(byId(`attack-${attack.id}`), attack);

const otherPorts = [ports.cookie, ports.basic, ports.tls].filter((port) => port > 0);
const places = {
  page: location.origin,
  gateways: [otherSite(ports.gateway), ...otherPorts.map((port) => `:${port}`)].join(', '),
  foreign: `http://127.0.0.1:${ports.foreign}`,
};
for (const element of document.querySelectorAll('[data-place]'))
  element.textContent = places[element.dataset.place];

byId('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  await (byId('user').dataset.state === 'open' ? logOut() : logIn());
  announce(byId('user').textContent);
});

byId('run-all').addEventListener('click', async () => {
  const button = byId('run-all');
  button.setAttribute('aria-disabled', 'true');
  await ensureSession();
  let opened = 0;
  for (const way of ways) opened += (await way.run()) ? 1 : 0;
  button.removeAttribute('aria-disabled');
  announce(`${opened} of ${ways.length} ways have led in.`);
});

await live;
await resume();
for (const button of document.querySelectorAll('button[disabled]')) button.disabled = false;
