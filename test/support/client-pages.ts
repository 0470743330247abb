import type { Evaluating } from './playground-page.js';

/** What a page has kept of the life of a client. */
export interface Kept {
  readonly admissions: { connectionId: string; sessionId?: string; expiresAt: number }[];
  readonly states: string[];
  readonly code?: number;
  readonly state: string;
}

/** All modes in which a page presents a credential. */
export const WAYS_IN = [
  { path: '/ticket', credential: 'guest', mode: 'query' },
  { path: '/ticket', credential: 'guest', mode: 'subprotocol' },
  { path: '/first', credential: 'guest', mode: 'first-message' },
  { path: '/bearer', credential: 'token', mode: 'subprotocol' },
  { path: '/first', credential: 'token', mode: 'first-message' },
  { path: '/cookie', credential: 'cookie' },
];

/** Calls a function of `globalThis.site` in a page. */
export function call<T>(page: Evaluating, name: string, ...args: unknown[]): Promise<T> {
  return page.evaluate(`site.${name}(...${JSON.stringify(args)})`) as Promise<T>;
}

/** What the page has kept of client "a". */
export function kept(page: Evaluating): Promise<Kept> {
  return call<Kept>(page, 'kept', 'a');
}

/** Opens client "a", and waits until it is in. */
export async function connect(page: Evaluating, options: Record<string, unknown>): Promise<void> {
  await call(page, 'open', 'a', options);
  await call(page, 'until', 'a', 'open');
}

/** A promise that a test fulfils. */
export function gate(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}
