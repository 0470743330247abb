// What the page shows. Texts of others are set as text, and a list keeps its elements when it is shown again, so that the
// focus stays where it was.
export const element = (id) => document.getElementById(id);

/** Shows items in their order. An element is made once for each of them, and brought up to date. */
function show(list, items, makeOne, update) {
  const before = new Map([...list.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = item.ref ?? item.id;
    let child = before.get(key);
    if (child) before.delete(key);
    else {
      child = makeOne();
      child.dataset.key = key;
    }
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] ?? null);
    update(child, item);
  });
  for (const child of before.values()) {
    leaveTo(headingOf(list), child);
    child.remove();
  }
}

/** Who has used a button that goes away goes on from somewhere near. */
function leaveTo(target, going) {
  if (going.contains(document.activeElement)) target.focus();
}

const headingOf = (list) => list.closest('section').querySelector('h2');

/** @param actions from a session to its buttons, as [text, what it does] */
export function showSessions(list, sessions, actions) {
  show(list, sessions, makeSession, (item, session) => updateSession(item, session, actions(session)));
}

export function showUsers(list, users, { endAll, ofSession }) {
  show(
    list,
    users,
    () =>
      make('li', {}, [
        make('div', { className: 'row' }, [make('h3'), makeButton()]),
        make('ul', { className: 'sessions' }),
      ]),
    (item, user) => {
      const [title, button] = item.firstChild.children;
      const { sessions } = user;
      const sockets = sessions.reduce((sum, session) => sum + session.sockets, 0);
      title.replaceChildren(`${user.id} `, make('span', { textContent: summary(sessions.length, sockets) }));
      button.textContent = 'End all';
      button.setAttribute('aria-label', `End all sessions of ${user.id}`);
      if (sessions.length === 0) leaveTo(headingOf(list), button);
      button.hidden = sessions.length === 0;
      actionOf.set(button, () => endAll(user));
      showSessions(item.lastChild, sessions, (session) => ofSession(user, session));
    },
  );
}

/** What a button does now: it stays, and what it stands for may change. */
const actionOf = new WeakMap();

function makeButton() {
  const button = make('button', { type: 'button', className: 'quiet' });
  button.addEventListener('click', () => actionOf.get(button)());
  return button;
}

function makeSession() {
  return make('li', { className: 'session' }, [
    make('div', { className: 'about' }, [
      make('p', {}, [
        make('strong'),
        ' ',
        make('span', { className: 'badge', textContent: 'this one', hidden: true }),
      ]),
      make('p', { className: 'times' }, ['logged in ', make('time'), ', last used ', make('time')]),
    ]),
    make('span', { className: 'sockets' }),
    make('div', { className: 'actions' }),
  ]);
}

function updateSession(item, session, actions) {
  const { current, createdAt, lastUsedAt, sockets, nodes = 1 } = session;
  const device = session.data ?? 'Unknown client';
  item.querySelector('strong').textContent = device;
  item.querySelector('.badge').hidden = !current;
  const [created, used] = item.querySelectorAll('time');
  showTime(created, createdAt);
  showTime(used, lastUsedAt);
  const live = item.querySelector('.sockets');
  live.dataset.live = sockets > 0;
  live.textContent = sockets === 0 ? 'no socket' : count(sockets, 'live socket');
  if (sockets > 0 && nodes > 1) live.textContent += ` on ${nodes} nodes`;
  const name = `${device}, logged in at ${new Date(createdAt).toLocaleTimeString('en-GB')}`;
  const holder = item.querySelector('.actions');
  actions.forEach(([text, run], index) => {
    const button = holder.children[index] ?? holder.appendChild(makeButton());
    button.textContent = text;
    button.setAttribute('aria-label', `${text}: ${name}`);
    actionOf.set(button, run);
  });
  while (holder.children.length > actions.length) {
    leaveTo(holder.firstChild, holder.lastChild);
    holder.lastChild.remove();
  }
  holder.hidden = actions.length === 0;
}

/** How long ago, for a person; the exact time for a machine. */
function showTime(time, at) {
  time.dateTime = new Date(at).toISOString();
  time.textContent = ago(Date.now() - at);
}

/** Time goes on, also when nothing is asked. */
export function refreshTimes() {
  for (const time of document.querySelectorAll('time')) showTime(time, Date.parse(time.dateTime));
}

const AGO = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

function ago(ms) {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return AGO.format(-Math.floor(seconds / 10) * 10, 'second');
  if (seconds < 3_600) return AGO.format(-Math.floor(seconds / 60), 'minute');
  return AGO.format(-Math.floor(seconds / 3_600), 'hour');
}

const count = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
const summary = (sessions, sockets) =>
  sessions === 0 ? 'not logged in' : `${count(sessions, 'session')}, ${count(sockets, 'socket')}`;

export function make(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
