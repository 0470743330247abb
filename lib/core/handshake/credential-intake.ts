import { sessionIdOf } from '../identifiers.js';
import type { ResolvedOptions } from '../options.js';
import type { SessionCookie } from '../session/session-cookie.js';
import { unauthorized } from './attempt-refusals.js';
import { isLoopbackIp } from './client-address.js';
import type { CredentialKind } from './credential-kind.js';
import {
  isAmbientBasic,
  readCredential,
  type PresentedCredential,
  type ReaderSettings,
} from './credential-reader.js';
import type { GatewayPolicy } from './gateway-policy.js';
import type { HandshakeAttempt } from './handshake-attempt.js';
import type { HandshakeRecord } from './handshake-record.js';
import { isLoopbackHost } from './host-policy.js';
import type { CredentialReader } from './own-credentials.js';
import { HandshakeRefused } from './refusal.js';
import type { RawUpgrade, UpgradeRequest } from './upgrade-request.js';

/** Everything that a handshake presents, unverified. */
export interface Intake {
  /** The one credential beside the cookie. */
  readonly credential: PresentedCredential | null;
  /** The session that the cookie names by its form; whether it lives, the store will say. */
  readonly cookieSession: string | undefined;
}

/** Step 10 of the staircase: finds the one credential of a handshake, in whatever way its gateway takes it. */
export class CredentialIntake {
  readonly #options: ResolvedOptions;
  readonly #cookie: SessionCookie;
  readonly #record: HandshakeRecord;

  constructor(options: ResolvedOptions, cookie: SessionCookie, record: HandshakeRecord) {
    this.#options = options;
    this.#cookie = cookie;
    this.#record = record;
  }

  /** @throws {HandshakeRefused} 400 for two credentials, 401 for one that cannot be read or is not taken here */
  read(attempt: HandshakeAttempt, request: UpgradeRequest, gateway: GatewayPolicy, raw: RawUpgrade): Intake {
    const credential = this.#readCredential(attempt, request, gateway, raw);
    return { credential, cookieSession: this.#readCookieSession(attempt, request, gateway, raw) };
  }

  #readCredential(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    gateway: GatewayPolicy,
    raw: RawUpgrade,
  ): PresentedCredential | null {
    const credential = this.#readExplicit(attempt, request, gateway) ?? certificateOf(gateway, raw);
    if (!credential) return null;
    attempt.method = kindOf(credential);
    attempt.hasPresented = true;
    if (!gateway.credentials.has(attempt.method)) throw unauthorized(attempt, 'credential_kind_not_accepted');
    if (credential.kind === 'basic') this.#checkBasicTransport(attempt, request, raw);
    return credential;
  }

  #readExplicit(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    gateway: GatewayPolicy,
  ): PresentedCredential | null {
    const { handshake, readers } = this.#options;
    const own = readers.filter(({ kind }) => gateway.credentials.has(kind));
    const builtIn = readBuiltIn(attempt, request, {
      takesBasic: gateway.credentials.has('basic'),
      tokenParameter: handshake.dangerouslyAllowTokenInUrl,
      hasReaders: own.length > 0,
    });
    if (isAmbientBasic(request) && builtIn?.kind !== 'basic')
      this.#record.ignored(attempt, 'ambient_basic_ignored');
    const found = readOwn(attempt, request, own);
    if (builtIn && found) throw new HandshakeRefused('multiple_credentials', 'multiple_credentials');
    return builtIn ?? found;
  }

  /** A password goes over TLS; on loopback, and outside production, the network is this machine. */
  #checkBasicTransport(attempt: HandshakeAttempt, request: UpgradeRequest, raw: RawUpgrade): void {
    if (raw.encrypted || attempt.address!.forwardedSecure) return;
    if (isFromLoopback(attempt, request) && !this.#options.production) return;
    throw new HandshakeRefused('insecure_transport', 'basic_without_tls');
  }

  #readCookieSession(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    gateway: GatewayPolicy,
    raw: RawUpgrade,
  ): string | undefined {
    const reading = this.#cookie.read(request.cookie, {
      secure: raw.encrypted || attempt.address!.forwardedSecure,
      loopback: isFromLoopback(attempt, request),
    });
    if (reading.kind === 'duplicate')
      throw new HandshakeRefused('multiple_credentials', 'cookie_tossing_suspected');
    if (reading.kind === 'absent') return undefined;
    const sessionId = sessionIdOf(reading.value);
    if (sessionId === null) return undefined;
    attempt.hasPresented ||= gateway.credentials.has('cookie');
    return sessionId;
  }
}

/** The kind by which a gateway lists a credential. */
export function kindOf(credential: PresentedCredential): CredentialKind {
  return credential.kind === 'own' ? credential.reader.kind : credential.kind;
}

/** Browsers send these without being told to: a session cookie, which a logout ends, comes before them. */
export function isSentByItself(credential: PresentedCredential, { origin }: UpgradeRequest): boolean {
  return credential.kind === 'client-certificate' || (credential.kind === 'basic' && origin !== undefined);
}

function isFromLoopback({ address }: HandshakeAttempt, { host }: UpgradeRequest): boolean {
  return isLoopbackIp(address!.ip) && isLoopbackHost(host);
}

/** Counts where no explicit credential was presented. */
function certificateOf(gateway: GatewayPolicy, { certificate }: RawUpgrade): PresentedCredential | null {
  if (!certificate || !gateway.credentials.has('client-certificate')) return null;
  return { kind: 'client-certificate', value: certificate };
}

/** What cannot be read was presented all the same, and is challenged as everything else on this gateway is. */
function readBuiltIn(
  attempt: HandshakeAttempt,
  request: UpgradeRequest,
  settings: ReaderSettings,
): PresentedCredential | null {
  try {
    return readCredential(request, settings);
  } catch (error) {
    if (!(error instanceof HandshakeRefused) || error.refusal !== 'unauthorized') throw error;
    attempt.hasPresented = true;
    throw unauthorized(attempt, error.reason);
  }
}

/** Asks the readers of the application's own. @throws {HandshakeRefused} 400 when two find something, 401 when one throws */
function readOwn(
  attempt: HandshakeAttempt,
  request: UpgradeRequest,
  readers: readonly CredentialReader[],
): PresentedCredential | null {
  const found: PresentedCredential[] = [];
  for (const reader of readers) {
    if (reader.ambient && request.origin === undefined) continue;
    const value = readBy(attempt, request, reader);
    if (value !== null && value !== undefined) found.push({ kind: 'own', reader, value });
  }
  if (found.length > 1) throw new HandshakeRefused('multiple_credentials', 'multiple_credentials');
  return found[0] ?? null;
}

function readBy(attempt: HandshakeAttempt, request: UpgradeRequest, reader: CredentialReader): unknown {
  const { headers, query: rawQuery } = request;
  try {
    return reader.read({ ...attempt.handshake!, headers, rawQuery });
  } catch {
    attempt.method = reader.kind;
    attempt.hasPresented = true;
    throw unauthorized(attempt, `${reader.kind}_unreadable`);
  }
}
