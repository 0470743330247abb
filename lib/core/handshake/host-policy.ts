import { isIPv6 } from 'node:net';

/** A host name with its optional port, as in the Host header: lower case, without a trailing dot. */
export interface HostName {
  readonly name: string;
  readonly port: number | undefined;
}

const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];
const REG_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/;
const IPV6_LITERAL = /^\[([0-9a-f:.]{2,45})\]$/;

/** Reads a Host header; `null` when it is not one host name with an optional port (RFC 9112 §3.2). Never throws. */
export function parseHost(header: string): HostName | null {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(header);
  if (!match) return null;
  const name = match[1]!.toLowerCase();
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  if (!REG_NAME.test(bare) && !isIPv6(IPV6_LITERAL.exec(bare)?.[1] ?? '')) return null;
  const port = match[2] === undefined ? undefined : Number(match[2]);
  if (port !== undefined && (port === 0 || port > 65_535)) return null;
  return { name: bare, port };
}

/** An entry of the `hosts` option: like a Host header. Without a port it allows every port. */
export function parseHostEntry(entry: string): HostName | null {
  return parseHost(entry);
}

/** True for the names by which a machine calls itself. */
export function isLoopbackHost(host: HostName): boolean {
  return LOOPBACK_NAMES.includes(host.name) || host.name.endsWith('.localhost');
}

/**
 * Which Host names this server answers to. A name that is not listed means that a browser was pointed here by somebody
 * else's DNS (rebinding): 421. Without a list, loopback names are enforced on sockets bound to loopback (decision: a
 * development server is reached by rebinding first), and any name is taken elsewhere.
 */
export class HostPolicy {
  readonly #entries: readonly HostName[] | undefined;
  #lastText = '';

  constructor(hosts: readonly string[] | undefined) {
    this.#entries = hosts?.map((entry) => parseHostEntry(entry)).filter((entry) => entry !== null);
  }

  allows(host: HostName, boundToLoopback: boolean): boolean {
    if (!this.#entries) return !boundToLoopback || isLoopbackHost(host);
    return this.#entries.some(
      (entry) => entry.name === host.name && (entry.port === undefined || entry.port === host.port),
    );
  }

  /** A host as text. Each connection keeps it: it is there once for all that name the same host one after the other. */
  textOf({ name, port }: HostName): string {
    const text = port === undefined ? name : `${name}:${port}`;
    if (text !== this.#lastText) this.#lastText = text;
    return this.#lastText;
  }
}
