import type { IncomingHttpHeaders } from 'node:http';
import type { PeerCertificate } from 'node:tls';
import type { Handshake } from '../connection.js';
import { describeType, type OptionProblems } from '../option-rules.js';
import type { PrincipalInit } from '../principal.js';
import { CREDENTIAL_KINDS } from './credential-kind.js';

/**
 * What a verifier of the application's answers: who it is, or `null` for a credential that is not good. Throwing means
 * "cannot tell", which is answered 503.
 */
export type PrincipalAnswer = PrincipalInit | null | Promise<PrincipalInit | null>;

/** `Authorization: Basic` (RFC 7617), which is also what `wss://user:password@host` becomes. */
export interface BasicOptions {
  /**
   * Says who a user and a password are of. Compare hashes, by `timingSafeEqual` or a password hash; failures are limited here.
   * Not needed where only `tokenUser` comes.
   */
  verify?: (user: string, password: string, handshake: Handshake) => PrincipalAnswer;
  /** With this user name the password is a bearer token or a ticket: `wss://token:<token>@host`. @default none */
  tokenUser?: string;
}

/** The TLS client certificate of the connection, where the server asks for one and its authority is trusted. */
export interface ClientCertificateOptions {
  /** Says who a certificate is of. Called for one that TLS has verified, and for no other. */
  principal: (certificate: PeerCertificate, handshake: Handshake) => PrincipalAnswer;
}

/** The handshake with its headers and its query, for a reader of the application's own. */
export interface ReadableHandshake extends Handshake {
  readonly headers: IncomingHttpHeaders;
  /** The query as it was sent, without `?`. */
  readonly rawQuery: string;
}

/** A way of the application's own to prove who one is. */
export interface CredentialReader<Value = unknown> {
  /** Its name: in `credentials`, in the audit log, and as `connection.credential`. */
  readonly kind: string;
  /** True for what browsers send by themselves, as cookies: it is no credential without an Origin. */
  readonly ambient?: boolean;
  /** Query parameters that it reads: they are taken out of the URL before anybody can log it. */
  readonly parameters?: readonly string[];
  /** The credential, or `null` when the request has none. Throwing refuses the handshake with 401. */
  read(handshake: ReadableHandshake): Value | null;
  /** Says who it is of. @param signal aborted when the client has gone or the time is up */
  verify(value: Value, signal: AbortSignal, handshake: Handshake): PrincipalAnswer;
}

const KIND = /^[a-z][a-z0-9-]{0,31}$/;

/** Validates the `basic` group. */
export function resolveBasicOptions(given: unknown, problems: OptionProblems): BasicOptions | undefined {
  if (given === undefined) return undefined;
  const group = problems.group('basic', given) as BasicOptions;
  problems.refuseUnknownKeys('basic', group, ['verify', 'tokenUser']);
  if (group.verify !== undefined && typeof group.verify !== 'function')
    problems.report(`option "basic.verify" must be a function, received ${describeType(group.verify)}`);
  const { tokenUser } = group;
  if (
    tokenUser !== undefined &&
    (typeof tokenUser !== 'string' || !/^[\x21-\x39\x3b-\x7e]{1,64}$/.test(tokenUser))
  )
    problems.report('option "basic.tokenUser" must be 1 to 64 printable ASCII characters without a colon');
  if (group.verify === undefined && tokenUser === undefined)
    problems.report('option "basic" needs "verify", or "tokenUser" where the password is a token');
  return group;
}

/** Validates the `clientCertificate` group. */
export function resolveClientCertificateOptions(
  given: unknown,
  problems: OptionProblems,
): ClientCertificateOptions | undefined {
  if (given === undefined) return undefined;
  const group = problems.group('clientCertificate', given) as unknown as ClientCertificateOptions;
  problems.refuseUnknownKeys('clientCertificate', group, ['principal']);
  if (typeof group.principal !== 'function')
    problems.report(
      `option "clientCertificate.principal" must be a function, received ${describeType(group.principal)}`,
    );
  return group;
}

/** Validates the list of readers. */
export function resolveReaders(given: unknown, problems: OptionProblems): readonly CredentialReader[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) {
    problems.report(`option "readers" must be a list of credential readers, received ${describeType(given)}`);
    return [];
  }
  const kinds = new Set<string>(CREDENTIAL_KINDS);
  for (const [index, reader] of given.entries()) {
    const { kind, read, verify, ambient, parameters } = (reader ?? {}) as Partial<
      Record<keyof CredentialReader, unknown>
    >;
    const place = `option "readers[${index}]"`;
    if (typeof kind !== 'string' || !KIND.test(kind))
      problems.report(`${place} needs a "kind" of 1 to 32 small letters, digits and hyphens`);
    else if (kinds.has(kind)) problems.report(`${place}: the kind "${kind}" is taken, choose another`);
    else kinds.add(kind);
    if (typeof read !== 'function' || typeof verify !== 'function')
      problems.report(`${place} needs the functions "read" and "verify"`);
    if (ambient !== undefined && typeof ambient !== 'boolean')
      problems.report(`${place}: "ambient" must be true or false, received ${describeType(ambient)}`);
    const isNames =
      Array.isArray(parameters) && parameters.every((name) => typeof name === 'string' && name !== '');
    if (parameters !== undefined && !isNames)
      problems.report(`${place}: "parameters" must be a list of names`);
  }
  // What is none was reported.
  return given.filter((reader) => typeof reader === 'object' && reader !== null) as CredentialReader[];
}
