import { randomBytes } from 'node:crypto';
import type { Certificates } from './certificates.js';

/** What listens where. Every port serves the same application; the number is there to make another origin. */
export interface Ports {
  /** The page and the login, and the gateway on the same site. */
  readonly page: number;
  /** Gateways on another site. */
  readonly gateway: number;
  /** A second port of that other site. */
  readonly cookie: number;
  /** The gateway that takes Basic has a port to itself: browsers remember user and password for an origin. */
  readonly basic: number;
  /** TLS, for client certificates; 0 where there are none. */
  readonly tls: number;
  /** Somebody else's pages. */
  readonly foreign: number;
}

/** What the application is told. */
export interface Settings {
  readonly ports: Ports;
  /** Signs the access tokens. */
  readonly jwtSecret: string;
  /** The password of the machine that comes by Basic. */
  readonly machinePassword: string;
  /** None where there is no `openssl` to make them. */
  readonly certificates: Certificates | undefined;
}

export const ISSUER = 'nestjs-ws-auth-playground';
export const AUDIENCE = 'playground';
export const MACHINE = 'machine-7';

const DEFAULT_PORTS: Ports = {
  page: 3100,
  gateway: 3101,
  cookie: 3102,
  basic: 3103,
  tls: 3104,
  foreign: 3105,
};

/** Reads PORT and the PORT_… of the others; 0 is a free one. */
export function readPorts(env: NodeJS.ProcessEnv): Ports {
  const read = (name: string, otherwise: number): number => Number(env[name] ?? otherwise);
  return {
    page: read('PORT', DEFAULT_PORTS.page),
    gateway: read('PORT_GATEWAY', DEFAULT_PORTS.gateway),
    cookie: read('PORT_COOKIE', DEFAULT_PORTS.cookie),
    basic: read('PORT_BASIC', DEFAULT_PORTS.basic),
    tls: read('PORT_TLS', DEFAULT_PORTS.tls),
    foreign: read('PORT_FOREIGN', DEFAULT_PORTS.foreign),
  };
}

/** Secrets of this run: made at start, kept nowhere. */
export function makeSecrets(): Pick<Settings, 'jwtSecret' | 'machinePassword'> {
  const random = (): string => randomBytes(48).toString('base64url');
  return { jwtSecret: random(), machinePassword: random() };
}

/** The one page that may connect. */
export function pageOrigin({ page }: Ports): string {
  return `http://localhost:${page}`;
}

/** The same server under its other name, which to a browser is another site. */
export function otherSite({ page }: Ports): string {
  return `http://127.0.0.1:${page}`;
}
