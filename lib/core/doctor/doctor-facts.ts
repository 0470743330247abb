import type { CredentialKind } from '../handshake/credential-kind.js';
import type { ResolvedOptions } from '../options.js';

/** A message handler, as far as a check asks. */
export interface HandlerFacts {
  readonly method: string;
  /** True when it, or its gateway, says who may use it. */
  readonly hasRule: boolean;
  /** True when `@SkipWsThrottle()` takes limits away from it. */
  readonly skipsThrottle: boolean;
  readonly concurrency: number | undefined;
}

/** A gateway, as far as a check asks. */
export interface GatewayFacts {
  readonly name: string;
  /** 0 is the port of the application. */
  readonly port: number;
  readonly path: string;
  /** `undefined` when neither `@WsAuth()` nor `@WsPublic()` is there. */
  readonly access: 'authenticated' | 'public' | undefined;
  readonly credentials: ReadonlySet<CredentialKind>;
  readonly concurrency: number | undefined;
  readonly handlers: readonly HandlerFacts[];
}

/** How the server is reached, and what it said of itself, where it could be asked. */
export interface RedisFacts {
  /** True when every address of it is of this machine. */
  readonly isLoopback: boolean;
  readonly isTls: boolean;
  readonly hasPassword: boolean;
  /** Whom the connection acts for. */
  readonly user: string;
  readonly server?: {
    readonly version: string;
    /** True when each write goes to disk (AOF). */
    readonly hasAppendLog: boolean;
    /** 0: without limit. */
    readonly maxMemoryBytes: number;
    /** Why a node would refuse to work with it, in sentences. */
    readonly problems: readonly string[];
  };
}

/** Everything that the checks look at. Collected by others; what nobody could find out is left out, and not complained of. */
export interface DoctorFacts {
  readonly options: ResolvedOptions;
  /** Unix ms. */
  readonly now: number;
  /** `NODE_ENV` as it is set. */
  readonly nodeEnv: string | undefined;
  /** Node's version, such as `22.12.0`. */
  readonly nodeVersion: string;
  readonly gateways: readonly GatewayFacts[];
  /** What this version of Nest does not do for the gateways, in sentences. */
  readonly uncovered: readonly string[];
  /** True when the application says by a function of its own who calls `/ws-auth`. */
  readonly hasOwnCallers: boolean;
  /** True when the application's HTTP server speaks TLS itself. */
  readonly isTlsServer?: boolean;
  readonly redis?: RedisFacts;
}
