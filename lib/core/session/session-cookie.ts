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

/**
 * Writes and reads the session cookie. Each name is read only where it would be written: a plain cookie, which a sibling
 * domain or a plain-http page can plant, is never taken for the `__Host-` one (requirements CK-01 to CK-03).
 *
 * @see draft-ietf-httpbis-rfc6265bis §4.1.3.2
 */
export class SessionCookie {
  readonly #options: ResolvedCookieOptions;

  constructor(options: ResolvedCookieOptions) {
    this.#options = options;
  }

  /** The cookie's name on this transport. */
  nameOn(transport: CookieTransport): string {
    return this.#isSecureOn(transport) ? `__Host-${this.#options.name}` : this.#options.name;
  }

  /** The `Set-Cookie` value that hands a session token to the client. A session cookie: the browser's end is its end. */
  issue(token: string, transport: CookieTransport): string {
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
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=');
      if (equals < 0 || trimBlank(pair.slice(0, equals)) !== name) continue;
      if (found !== undefined) return { kind: 'duplicate' };
      found = trimBlank(pair.slice(equals + 1));
    }
    return found === undefined ? { kind: 'absent' } : { kind: 'value', value: found };
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
