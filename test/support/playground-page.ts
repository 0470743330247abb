/** What a browser's page can do here, whichever library drives it. */
export interface Evaluating {
  evaluate(script: string): Promise<unknown>;
}

/** A step of a card, as people read it. */
export interface ShownStep {
  readonly badge: string;
  readonly browser: string;
  /** For each handshake that the server saw: what it carried, and the audit log's line. */
  readonly server: readonly (readonly string[])[];
}

/** The steps of a card, in their order. */
export async function readSteps(page: Evaluating, card: string): Promise<readonly ShownStep[]> {
  const steps = await page.evaluate(`[...document.querySelectorAll('#${card} .step')].map((step) => ({
    badge: step.querySelector('.badge').textContent,
    browser: step.querySelector('dd').textContent,
    server: [...step.querySelectorAll('.seen')].map((seen) => [...seen.children].map((part) => part.textContent)),
  }))`);
  return steps as ShownStep[];
}

/** Presses the button of a card, and waits until its steps are through. */
export async function runCard(page: Evaluating, card: string): Promise<readonly ShownStep[]> {
  await page.evaluate(`document.querySelector('#${card} button').click()`);
  await cardIsIdle(page, card);
  return readSteps(page, card);
}

export function cardIsIdle(page: Evaluating, card: string): Promise<unknown> {
  return page.evaluate(`new Promise((resolve) => {
    const button = document.querySelector('#${card} button');
    const look = () => button.hasAttribute('aria-disabled') || resolve();
    new MutationObserver(look).observe(button, { attributes: true });
    look();
  })`);
}

/** Waits until the page has found its server, and its buttons work. */
export function pageIsReady(page: Evaluating): Promise<unknown> {
  return page.evaluate(`new Promise((resolve) => {
    const look = () => document.querySelector('#attack-list button:enabled') && resolve();
    new MutationObserver(look).observe(document, { subtree: true, attributes: true, childList: true });
    look();
  })`);
}

/** Presses the button for all ways, and waits for its word. */
export function runAll(page: Evaluating): Promise<unknown> {
  return page.evaluate(`new Promise((resolve) => {
    const status = document.querySelector('#status');
    const look = () => /ways have led in/.test(status.textContent) && resolve(status.textContent);
    new MutationObserver(look).observe(status, { childList: true });
    document.querySelector('#run-all').click();
  })`);
}

const ATTACKS = ['cross-site', 'replay', 'another-path', 'expired', 'flood', 'elsewhere'];

/** All ways and all attacks, and then everything that can be opened is open. */
export async function tryEverything(page: Evaluating): Promise<void> {
  await runAll(page);
  for (const id of ATTACKS) await runCard(page, `attack-${id}`);
  await page.evaluate(`document.querySelectorAll('details').forEach((details) => (details.open = true))`);
}
