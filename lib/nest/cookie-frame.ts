import { createHash } from 'node:crypto';

/** A page and the headers that it must have. */
export interface CookieFrame {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The page of the hidden iframe on a gateway's host: it takes a ticket from the page around it, exchanges it for the session
 * cookie of this host, and says what came of it. Pages of the listed origins alone may frame it, and are heard by it.
 *
 * Nothing in it depends on the request, so it is made once.
 *
 * @see HTML §9.3 (cross-document messaging), CSP3 §6.4.2 (frame-ancestors)
 */
export function makeCookieFrame(origins: readonly string[]): CookieFrame {
  const framing = origins.filter((origin) => /^https?:\/\//.test(origin));
  const script = scriptFor(framing);
  const hash = createHash('sha256').update(script).digest('base64');
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${hash}'`,
    "connect-src 'self'",
    `frame-ancestors ${framing.join(' ') || "'none'"}`,
    "base-uri 'none'",
    "form-action 'none'",
  ];
  return {
    html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Session cookie</title></head><body><script>${script}</script></body></html>\n`,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy.join('; '),
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
    },
  };
}

/** The URL is relative, so that a global prefix of the application is kept. */
function scriptFor(origins: readonly string[]): string {
  return `
const origins = ${JSON.stringify(origins).replaceAll('<', '\\u003c')};
addEventListener('message', async ({ origin, source, data }) => {
  if (source !== parent || !origins.includes(origin)) return;
  if (data?.type !== 'ws-auth.cookie' || typeof data.ticket !== 'string') return;
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ticket: data.ticket }),
  };
  const status = await fetch('cookie', request).then((response) => response.status, () => 0);
  source.postMessage({ type: 'ws-auth.cookie', ok: status === 204, status }, origin);
});
parent.postMessage({ type: 'ws-auth.ready' }, '*');
`;
}
