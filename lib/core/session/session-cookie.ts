import type { ResolvedCookieOptions } from './cookie-options.js';

/** What is known of the transport of a request: it decides under which name the cookie travels. */
export interface CookieTransport {
  /** TLS to this node, or https by the word of a trusted proxy. */
  readonly secure: boolean;
  /** Both the peer and the Host name are loopback, which browsers treat as secure. */
  readonly loopback: boolean;
}

/** What a Cookie header says of the session. */
export type CookieReading = { kind: 'absent' } | { kind: 'duplicate' } | { kind: 'value'; value: string };

/** What an operator is told once, and why it may be so: each is about a cookie of the parent domain. */
const CONCERNS = {
  plain: (name: string) =>
    `the session cookie travels as plain "${name}": without TLS every host of the domain, and the network, can read and replace ` +
    'it; this is for development, production takes "__Host-" and TLS only',
  plain_duplicate: (name: string) =>
    `two session cookies "${name}" came with one request, which was refused (cookie_tossing_suspected): most likely another host ` +
    `has set one for the parent domain; serve this one over TLS, where the cookie is "__Host-${name}" and no other host can set it`,
  duplicate: (name: string) =>
    `two session cookies "__Host-${name}" came with one request, which was refused (cookie_tossing_suspected): browsers let no ` +
    'other host set that cookie, so the client has one of a login here and one of POST /ws-auth/cookie, "cookie.partitioned" was ' +
    'changed, or it is no browser',
  bare_name: (name: string) =>
    `a cookie "${name}" came without "__Host-${name}": it is taken for no session, since a cookie without the prefix can be set ` +
    'by every host of the domain; if the application set it for the parent domain, set WsSessionCookie.issue() instead, and give ' +
    'other hosts a ticket',
} as const;

type CookieConcern = keyof typeof CONCERNS;

/**
 * Writes and reads the session cookie. Each name is read only where it would be written: a plain cookie, which a sibling
 * domain or a plain-http page can plant, is never taken for the `__Host-` one (requirements CK-01 to CK-03).
 *
 * @see draft-ietf-httpbis-rfc6265bis §4.1.3.2
 */
export class SessionCookie {
  readonly #options: ResolvedCookieOptions;
  readonly #warn: (sentence: string) => void;
  readonly #told = new Set<CookieConcern>();

  /** @param warn told once of each sign that other hosts of the domain can set or read the session cookie */
  constructor(options: ResolvedCookieOptions, warn: (sentence: string) => void = () => {}) {
    this.#options = options;
    this.#warn = warn;
  }

  /** The cookie's name on this transport. */
  nameOn(transport: CookieTransport): string {
    return this.#isSecureOn(transport) ? `__Host-${this.#options.name}` : this.#options.name;
  }

  /** The `Set-Cookie` value that hands a session token to the client. A session cookie: the browser's end is its end. */
  issue(token: string, transport: CookieTransport): string {
    if (!this.#isSecureOn(transport)) this.#tell('plain');
    return `${this.nameOn(transport)}=${token}; ${this.#attributes(transport)}`;
  }

  /** The `Set-Cookie` value for the iframe flow, which browsers send across sites: partitioned, and only ever Secure. */
  issueCrossSite(token: string): string {
    return `__Host-${this.#options.name}=${token}; Path=/; HttpOnly; Secure; SameSite=None; Partitioned`;
  }

  /** The `Set-Cookie` values that take the cookie away again, in every form in which it was given. */
  clear(transport: CookieTransport): string[] {
    const expired = 'Max-Age=0';
    const cleared = [`${this.nameOn(transport)}=; ${this.#attributes(transport)}; ${expired}`];
    if (this.#isSecureOn(transport) && !this.#options.partitioned)
      cleared.push(`${this.issueCrossSite('')}; ${expired}`);
    return cleared;
  }

  /** Reads the header: the exact name, no unquoting, no decoding, nothing trimmed but spaces and tabs. */
  read(header: string | undefined, transport: CookieTransport): CookieReading {
    if (header === undefined) return { kind: 'absent' };
    const name = this.nameOn(transport);
    let found: string | undefined;
    let hasBareName = false;
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=');
      if (equals < 0) continue;
      const own = trimBlank(pair.slice(0, equals));
      if (own !== name) {
        hasBareName ||= own === this.#options.name;
        continue;
      }
      if (found !== undefined) {
        this.#tell(this.#isSecureOn(transport) ? 'duplicate' : 'plain_duplicate');
        return { kind: 'duplicate' };
      }
      found = trimBlank(pair.slice(equals + 1));
    }
    if (found !== undefined) return { kind: 'value', value: found };
    if (hasBareName) this.#tell('bare_name');
    return { kind: 'absent' };
  }

  #tell(concern: CookieConcern): void {
    if (this.#told.has(concern)) return;
    this.#told.add(concern);
    this.#warn(CONCERNS[concern](this.#options.name));
  }

  #isSecureOn(transport: CookieTransport): boolean {
    return this.#options.secure === true || transport.secure || transport.loopback;
  }

  #attributes(transport: CookieTransport): string {
    const { sameSite, partitioned } = this.#options;
    const secure = this.#isSecureOn(transport);
    const parts = ['Path=/', 'HttpOnly'];
    if (secure) parts.push('Secure');
    parts.push(`SameSite=${sameSite[0]!.toUpperCase()}${sameSite.slice(1)}`);
    // Browsers drop a partitioned cookie that is not Secure.
    if (partitioned && secure) parts.push('Partitioned');
    return parts.join('; ');
  }
}

/** SP and HTAB only: `String.trim()` also strips U+00A0, which is how a cookie gets another's name (requirement CK-03). */
function trimBlank(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
