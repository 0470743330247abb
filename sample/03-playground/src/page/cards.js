import { announce, make } from './dom.js';
import { hasCertificates } from './lab.js';
import { Log } from './wire.js';

/** A way in, as a card. @returns what runs it, and says whether one of its steps led in */
export function showWay(place, way, number) {
  const card = new Card(way, `Try it: ${way.title}`);
  const header = [
    make('span', { class: 'number', 'aria-hidden': 'true', text: String(number).padStart(2, '0') }),
    titleOf(place, way),
    way.isMachine ? make('span', { class: 'tag', text: 'from the server' }) : undefined,
    card.button,
    make('code', { class: 'how', text: way.code }),
  ];
  const facts = [fact('Where it could leak', way.leak), fact('When to use it', way.use)];
  show(place, 'way', header, card.steps, make('dl', { class: 'facts' }, ...facts), card.wire);
  const lacksOpenssl = way.id === 'machine-certificate' && !hasCertificates;
  if (lacksOpenssl) card.refuse('the server found no openssl to make certificates with');
  return {
    run: async () => (lacksOpenssl ? false : (await card.run()).some(({ isOpen }) => isOpen)),
    summary: make(
      'tr',
      {},
      make('th', { scope: 'row' }, make('a', { href: `#${place.id}`, text: way.title })),
      make('td', { text: way.carrier }),
      make('td', {}, make('span', { class: 'results' }, ...card.miniatures)),
    ),
  };
}

/** An attack, as a card. */
export function showAttack(place, attack) {
  const card = new Card(attack, `Try it: ${attack.title}`);
  const requirements = attack.requirements.map((id) =>
    make('span', { class: 'tag', title: 'docs/security.md', text: id }),
  );
  const rule = make('p', { class: 'rule' }, ...requirements, make('span', { text: attack.rule }));
  const header = [titleOf(place, attack), card.button, make('p', { text: attack.about })];
  show(place, 'attack', header, card.stage, card.steps, rule, card.wire);
}

/** Puts a card in its place. */
function show(place, kind, header, ...body) {
  place.classList.add(kind);
  place.append(
    make('article', { 'aria-labelledby': titleId(place) }, make('header', {}, ...header), ...body),
  );
}

const titleId = (place) => `${place.id}-title`;

function titleOf(place, { title }) {
  return make('h3', { id: titleId(place), text: title });
}

function fact(term, text) {
  return make('div', {}, make('dt', { text: term }), make('dd', { text }));
}

/** The parts that both have: a button, steps with their results, and what was on the wire. */
class Card {
  button;
  stage = make('div', { class: 'stage' });
  steps;
  wire;
  #subject;
  #views;
  #chapters = make('ol', { class: 'chapters' });
  #count = make('span', { class: 'count', text: '0' });
  #running;

  constructor(subject, label) {
    this.#subject = subject;
    this.button = make('button', { type: 'button', disabled: '', 'aria-label': label, text: 'Try it' });
    this.button.addEventListener('click', () => {
      this.wire.open = true;
      void this.run();
    });
    this.#views = subject.steps.map(({ label: text }) => new StepView(text));
    this.steps = make('ol', { class: 'steps' }, ...this.#views.map(({ element }) => element));
    this.wire = make(
      'details',
      { class: 'wire' },
      make('summary', {}, make('span', { text: 'On the wire' }), this.#count),
      make(
        'div',
        { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `On the wire: ${subject.title}` },
        this.#chapters,
      ),
    );
  }

  /** The results, small, for a table of all. */
  get miniatures() {
    return this.#views.map(({ miniature }) => miniature);
  }

  refuse(text) {
    this.button.remove();
    for (const view of this.#views) view.finish({ browser: text }, []);
  }

  /** One run at a time: who asks meanwhile gets the result of that one. */
  run() {
    this.#running ??= this.#runSteps().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #runSteps() {
    this.button.setAttribute('aria-disabled', 'true');
    this.#chapters.replaceChildren();
    this.#countLines();
    for (const view of this.#views) view.reset();
    const results = [];
    const kept = {};
    for (const [index, step] of this.#subject.steps.entries()) {
      const view = this.#views[index];
      const lines = make('ol', { class: 'lines' });
      this.#chapters.append(make('li', {}, make('p', { text: step.label }), lines));
      const log = new Log(lines, () => this.#countLines());
      view.start();
      const result = await step
        .run(log, this.stage, kept)
        .catch((error) => ({ browser: `failed: ${error.message}` }));
      view.finish(result, log.server);
      results.push(result);
    }
    announce(`${this.#subject.title}: ${this.#views.map(({ summary }) => summary).join('; ')}.`);
    this.button.removeAttribute('aria-disabled');
    return results;
  }

  #countLines() {
    this.#count.textContent = String(this.#chapters.querySelectorAll('.lines > li').length);
  }
}

/** One step: its label, how it ended, and both sides' view of it. */
class StepView {
  element;
  miniature = make('span', { class: 'badge mini' });
  #label;
  #badge = make('span', { class: 'badge' });
  #browser = make('dd');
  #server = make('dd');

  constructor(label) {
    this.#label = label;
    this.element = make(
      'li',
      { class: 'step' },
      make('p', {}, this.#badge, make('span', { text: label })),
      make(
        'dl',
        {},
        make('div', {}, make('dt', { text: 'Browser' }), this.#browser),
        make('div', {}, make('dt', { text: 'Server saw' }), this.#server),
      ),
    );
    this.reset();
  }

  get summary() {
    return `${this.#label}: ${this.#badge.textContent}`;
  }

  reset() {
    this.#show('idle', 'not tried');
    this.#browser.textContent = '–';
    this.#server.textContent = '–';
  }

  start() {
    this.#show('running', 'trying');
  }

  finish(result, server) {
    this.#show(...verdictOf(result));
    this.#browser.textContent = result.browser;
    this.#server.replaceChildren(...server.map(showSeen));
    if (server.length === 0) this.#server.textContent = 'nothing';
  }

  #show(state, text) {
    for (const element of [this.element, this.#badge, this.miniature]) element.dataset.state = state;
    this.#badge.textContent = text;
    this.miniature.textContent = text.replace('refused ', '').replace('let ', '');
  }
}

/** A handshake as the server saw it: what it carried, then the line of the audit log. */
function showSeen({ facts, verdicts, outcome }) {
  return make(
    'div',
    { class: 'seen', 'data-outcome': outcome },
    ...facts.map((text) => make('span', { class: text.startsWith('no ') ? 'lack' : 'carried', text })),
    make('b', { text: `→ ${verdicts.join(', then ')}` }),
  );
}

/** An attack that was stopped is good news, a way in that was refused is none; both show the number that says why. */
function verdictOf({ isStopped, isOpen, code }) {
  if (isStopped !== undefined) return isStopped ? ['stopped', `stopped ${code}`] : ['through', 'got through'];
  if (isOpen) return ['open', 'let in'];
  return code === undefined ? ['idle', 'not possible'] : ['refused', `refused ${code}`];
}
