import { describeValue } from '../option-rules.js';

/** Says what is wrong with an entry of the `origins` option, or `null` when it is a canonical origin. */
export function describeOriginProblem(entry: unknown): string | null {
  if (typeof entry !== 'string')
    return `${describeValue(entry)} is not a string such as "https://app.example.com"`;
  if (entry === 'null') return null;
  if (entry === '*')
    return '"*" would let every web page connect in the name of your users: list the origins';
  if (/[*?]/.test(entry)) return `"${entry}" has a wildcard: origins are compared exactly, list each one`;
  const canonical = canonicalOrigin(entry);
  if (canonical === null)
    return `${describeValue(entry)} is not an origin: write scheme, host and port, such as "https://app.example.com"`;
  if (canonical !== entry)
    return `${describeValue(entry)} never equals what a browser sends: write "${canonical}"`;
  return null;
}

/** The policy for requests that carry no Origin header. */
export type MissingOriginPolicy = 'explicit' | 'refuse';

/**
 * Which pages may connect. The header is compared byte for byte with the listed origins and never parsed: every parser
 * has spellings that become an allowed origin (requirement OR-02). Not an authentication: a machine can send any Origin.
 *
 * @see RFC 6455 §10.2, RFC 6454 §7
 */
export class OriginPolicy {
  /** By itself: what is found is the text of the options, and not that of a request. */
  readonly #allowed: ReadonlyMap<string, string>;

  constructor(origins: readonly string[]) {
    this.#allowed = new Map(origins.map((origin) => [origin, origin]));
  }

  allows(origin: string): boolean {
    return this.#allowed.has(origin);
  }

  /** An origin that is allowed, as it was listed. */
  find(origin: string | undefined): string | undefined {
    return origin === undefined ? undefined : this.#allowed.get(origin);
  }

  /** The origins as they were listed, for CORS and `frame-ancestors`. */
  get list(): readonly string[] {
    return [...this.#allowed.keys()];
  }

  /** True when both policies allow the same pages. */
  equals(other: OriginPolicy): boolean {
    return this.#allowed.size === other.#allowed.size && this.list.every((origin) => other.allows(origin));
  }
}

/** What a browser sends for the origin of this URL, or `null` when it would send the opaque `null`. */
function canonicalOrigin(entry: string): string | null {
  let url: URL;
  try {
    // A page is never on ws: or wss:, only its sockets are.
    url = new URL(entry.replace(/^ws(?=s?:)/i, 'http'));
  } catch {
    return null;
  }
  if (url.origin !== 'null') return url.origin;
  // Schemes that URL calls opaque (chrome-extension:, capacitor:) are sent by their browsers as scheme and host.
  const match = /^([a-z][a-z0-9+.-]*):\/\/([A-Za-z0-9._-]+(?::\d{1,5})?)$/.exec(entry);
  return match && !['file', 'blob', 'data', 'about', 'javascript'].includes(match[1]!) ? entry : null;
}
