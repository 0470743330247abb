import { Server as TlsServer } from 'node:tls';
import type { CredentialKind } from '../core/handshake/credential-kind.js';
import type { ResolvedOptions } from '../core/options.js';
import type { GuardedPath } from './gateway-registry.js';

/** A credential that needs something of the server it comes to. */
interface Demand {
  readonly kind: CredentialKind;
  /** Why it can never arrive at a server, or `undefined` where it can, or where nobody can tell. */
  readonly obstacle: (server: object | undefined, options: ResolvedOptions) => string | undefined;
  readonly fix: string;
}

/** What a gateway with a port of its own has: it speaks plain HTTP. */
const PLAIN_SERVER = {};

const DEMANDS: readonly Demand[] = [
  {
    kind: 'client-certificate',
    obstacle: (server) => {
      if (server === undefined) return undefined;
      if (!(server instanceof TlsServer))
        return 'the server there speaks plain HTTP, and a proxy that ends TLS keeps the certificate';
      const { requestCert } = server as { requestCert?: boolean };
      return requestCert === false ? 'the HTTPS server there asks for none' : undefined;
    },
    fix: 'create the application with httpsOptions { key, cert, ca, requestCert: true }, and give the gateway no port of its own',
  },
  {
    kind: 'basic',
    obstacle: (server, { production, proxy }) => {
      if (!production || server === undefined || server instanceof TlsServer) return undefined;
      if (proxy.trusted.length > 0) return undefined;
      return 'the server there speaks plain HTTP, over which no password is taken in production, and "proxy.trusted" is empty';
    },
    fix: 'name the proxy that ends TLS in proxy.trusted, or give the server a certificate',
  },
];

/**
 * Finds ways in that nobody could ever take, because of the server that a gateway is on: those that a gateway lists itself,
 * and those of the module that no gateway is left to take.
 *
 * @param application the HTTP server of the application, or `undefined` where there is none
 * @returns sentences that stop the boot
 */
export function describeUnreachable(
  options: ResolvedOptions,
  paths: readonly GuardedPath[],
  application: object | undefined,
): string[] {
  const guarded = paths.filter(({ policy }) => policy.access === 'authenticated');
  return DEMANDS.flatMap(({ kind, obstacle, fix }) => {
    const takers = guarded.filter(({ policy }) => policy.credentials.has(kind));
    const stopped = takers.flatMap((path) => {
      const reason = obstacle(path.port === 0 ? application : PLAIN_SERVER, options);
      return reason === undefined ? [] : [{ path, reason }];
    });
    const isDead = stopped.length > 0 && stopped.length === takers.length;
    return stopped.flatMap(({ path, reason }) => {
      const own = path.gateways.filter(({ policy }) => policy.credentials?.includes(kind));
      const named = own.length > 0 ? own : isDead ? path.gateways : [];
      return named.map(({ name, port, path: place }) => {
        const where = port === 0 ? place : `${place}, port ${port}`;
        return `gateway ${name} (${where}) takes "${kind}", which can never arrive: ${reason}; ${fix}, or take "${kind}" out of its credentials`;
      });
    });
  });
}
