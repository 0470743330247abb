import type { AuditRecord } from './audit/audit-event.js';
import type { CloseCode } from './close-code.js';
import type { CredentialKind } from './handshake/credential-kind.js';
import { WS_AUTH_PROTOCOL } from './handshake/subprotocol.js';
import type { HeartbeatPeer } from './lifetime/heartbeat.js';
import type { SocketWatch, WatchedSocket } from './lifetime/socket-watch.js';
import { narrowPrincipal, type Narrowing, type Principal } from './principal.js';
import { principalOfSession, type Session } from './session/session.js';

/** The handshake of a connection: the facts worth keeping, without any credential. */
export interface Handshake {
  /** The id by which the audit log and the client name this handshake. */
  readonly correlationId: string;
  readonly path: string;
  /** The query without `?` and without parameters that carried a credential. */
  readonly query: string;
  readonly origin: string | undefined;
  readonly host: string;
  /** The client's address, behind trusted proxies too. */
  readonly address: string;
  readonly addressSource: 'socket' | 'forwarded';
  /** TLS to this node or to a trusted proxy. */
  readonly secure: boolean;
  /** The subprotocol that was chosen, or an empty text. */
  readonly protocol: string;
}

/** What a connection writes to. */
export interface ConnectionTransport extends HeartbeatPeer {
  /** Sends a text frame. */
  send(text: string): void;
  /** Sends Close and cuts the socket after the grace. */
  close(code: number, reason: string): void;
  /** Cuts the socket. */
  terminate(): void;
}

/** Why a connection ends. */
export interface Ending {
  readonly close: CloseCode;
  /** For the audit log. */
  readonly reason: string;
  readonly retryAfterMs?: number;
  /** In its place where many end together: each is told a time of its own, up to this. */
  readonly retryWithinMs?: number;
}

/** What a credential made of a connection: at admission, and again at each refresh. */
export interface Grant {
  readonly principal: Principal;
  readonly userHash: string;
  readonly credential: CredentialKind;
  readonly session: Session | undefined;
  readonly narrowing: Narrowing | undefined;
  readonly tokenHash: string | undefined;
  /** Unix ms of the login or of the token's issue: revocations "from before" are compared with it. */
  readonly authenticatedAt: number;
  /** Unix ms at which the user last proved who it is, as far as this credential says; 0 where it does not. */
  readonly authTime: number;
  /** Unix ms at which the credential or its session ends; infinite where neither does. */
  readonly expiresAt: number;
}

type ConnectionFacts = Pick<
  AuditRecord,
  | 'connectionId'
  | 'correlationId'
  | 'ip'
  | 'ipSource'
  | 'origin'
  | 'path'
  | 'method'
  | 'principal'
  | 'sessionId'
>;

type State = 'open' | 'fenced' | 'closed';

/** What the path of a connection asks of it for as long as it lives. One object for all connections of a path. */
export interface ConnectionTerms {
  /** Without these it does not stay. */
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  /** The kinds of credential that it takes. */
  readonly credentials: ReadonlySet<CredentialKind>;
}

const NO_TERMS: ConnectionTerms = Object.freeze({
  roles: Object.freeze([]),
  scopes: Object.freeze([]),
  credentials: new Set<CredentialKind>(),
});

/**
 * One authenticated socket: who it acts for, until when, and whether it still may. The fence lies here: once
 * {@link fence} was called nothing is dispatched to or sent from this connection, whatever its socket is doing
 * (requirement SE-02).
 */
export class Connection implements WatchedSocket {
  readonly id: string;
  readonly handshake: Handshake;
  /** Unix ms at which it was admitted. */
  readonly openedAt: number;
  readonly #maxMs: number;
  readonly #staleMsOf: (userHash: string) => number;
  /** @internal */
  readonly terms: ConnectionTerms;
  #grant: Grant;
  /** Unix ms of the last proof where it is not that of the grant; 0 where none counts. */
  #provedAt: number | undefined;
  /** Unix ms: what was proved before counts no more. */
  #doubtedUntil: number | undefined;
  #state: State = 'open';
  #ending: Ending | undefined;
  #transport: ConnectionTransport | undefined;
  /** The Close of a connection that has no socket yet. */
  #unwrittenClose: [code: number, reason: string] | undefined;
  /** @internal by the wall clock, from the opening to the last application message */
  lastMessageAfterMs = 0;
  /** @internal the last entry of the revocation log that the store's decision has seen: only later ones concern it */
  seenUpTo = '0-0';
  /** @internal when it ends by time; set as long as a service knows it */
  watch: SocketWatch | undefined;
  /** @internal the next message must be told as a use of the session */
  tellsNextUse = false;

  /**
   * @internal connections are made by a handshake
   * @param maxMs its longest life
   * @param staleMsOf for how long nothing was heard of the revocations of a user
   */
  constructor(
    id: string,
    handshake: Handshake,
    grant: Grant,
    now: number,
    maxMs = Infinity,
    staleMsOf: (userHash: string) => number = () => 0,
    terms: ConnectionTerms = NO_TERMS,
  ) {
    this.id = id;
    this.handshake = handshake;
    this.#maxMs = maxMs;
    this.#staleMsOf = staleMsOf;
    this.#grant = grant;
    this.terms = terms;
    this.openedAt = now;
  }

  /** Who the connection acts for, as of now: roles and scopes can change while it lives. */
  get principal(): Principal {
    return this.#grant.principal;
  }

  /** The session behind the connection, or `undefined` for a credential without one. */
  get session(): Session | undefined {
    return this.#grant.session;
  }

  /** The kind of credential that opened the connection or refreshed it last. */
  get credential(): CredentialKind {
    return this.#grant.credential;
  }

  /**
   * Unix ms at which the user last proved who it is: by the credential, or by a step-up since; 0 where nobody knows. What
   * was proved stays proved: a refresh with an older credential does not set it back.
   */
  get authTime(): number {
    return this.#provedAt ?? this.#grant.authTime;
  }

  /** Unix ms at which the credential, the session or the longest life of a connection ends it. */
  get expiresAt(): number {
    return Math.min(this.#grant.expiresAt, this.openedAt + this.#maxMs);
  }

  /**
   * For how many milliseconds this node may have missed revocations of this user: at most about a second while the store is
   * there, more and more while it is away, until `storeOutage.graceMs` ends the connection. A handler that must not act on
   * old news asks before it does.
   */
  get staleMs(): number {
    return this.#staleMsOf(this.#grant.userHash);
  }

  /** Unix ms of the last application message, or of the opening. */
  get lastMessageAt(): number {
    return this.openedAt + this.lastMessageAfterMs;
  }

  set lastMessageAt(at: number) {
    // Rounded although it is whole: the difference of large numbers takes memory of its own until it is.
    this.lastMessageAfterMs = Math.floor(at - this.openedAt);
  }

  /** False from the moment in which it was decided that the connection ends. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** @internal True when the client can be expected to know the library's frames: it is told of what it did not ask for. */
  get hearsNotices(): boolean {
    return this.handshake.protocol === WS_AUTH_PROTOCOL || this.terms.credentials.has('first-message');
  }

  /** @internal */
  get grant(): Grant {
    return this.#grant;
  }

  /** @internal why it ended, or `undefined` while it is open or when the client left */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** @internal */
  get transport(): ConnectionTransport | undefined {
    return this.#transport;
  }

  /** @internal what the audit log is told of this connection */
  get facts(): ConnectionFacts {
    const { handshake } = this;
    return {
      connectionId: this.id,
      correlationId: handshake.correlationId,
      ip: handshake.address,
      ipSource: handshake.addressSource,
      origin: handshake.origin,
      path: handshake.path,
      method: this.credential,
      principal: this.principal.id,
      sessionId: this.session?.id,
    };
  }

  /** @internal A connection that was ended before it had a socket is closed now. */
  attach(transport: ConnectionTransport): void {
    this.#transport = transport;
    if (this.#unwrittenClose) transport.close(...this.#unwrittenClose);
  }

  /** Sends a text frame; nothing once the fence is up. */
  send(text: string): void {
    if (this.#state === 'open') this.#transport?.send(text);
  }

  /** @internal Decides that the connection ends. @returns false when that was decided before */
  fence(ending: Ending): boolean {
    if (this.#state !== 'open') return false;
    this.#state = 'fenced';
    this.#ending = ending;
    return true;
  }

  /** @internal Writes the Close of a connection that was fenced. */
  writeClose(code: number, reason: string): void {
    if (this.#transport) this.#transport.close(code, reason);
    else this.#unwrittenClose = [code, reason];
  }

  /** @internal Cuts the socket of a connection that was fenced. */
  terminate(): void {
    this.#transport?.terminate();
  }

  /** @internal The socket is gone. @returns false when that was known */
  markClosed(): boolean {
    if (this.#state === 'closed') return false;
    this.#state = 'closed';
    return true;
  }

  /** @internal What asks for a recent authentication asks for one from after this moment. */
  forgetAuthentication(now: number): void {
    this.#provedAt = 0;
    // Tokens tell seconds.
    this.#doubtedUntil = Math.floor(now / 1_000) * 1_000;
  }

  /** @internal A fresh credential of the same principal. */
  renew(grant: Grant): void {
    this.#provedAt = this.authTime;
    this.#grant = grant;
    this.noteAuthentication(grant.authTime);
  }

  /** @internal The user has proved who it is, then. */
  noteAuthentication(authTime: number): void {
    if (authTime > this.authTime && authTime >= (this.#doubtedUntil ?? 0)) this.#provedAt = authTime;
  }

  /** @internal The session, or its rights, changed; what the credential allows at most stays. */
  replaceSession(session: Session): void {
    const principal = narrowPrincipal(principalOfSession(session), this.#grant.narrowing);
    this.#grant = { ...this.#grant, principal, session };
  }
}
