import { AsyncLocalStorage } from 'node:async_hooks';
import type { AuditEvent } from 'nestjs-ws-auth';
import { Subject } from 'rxjs';
import type { ShownHandshake } from './redact.js';

/** What the page is told about one of its attempts, without a secret in it. */
export type WireEvent = { readonly attempt: string } & (
  | { readonly kind: 'handshake'; readonly lines: readonly string[] }
  | { readonly kind: 'admitted'; readonly principal: string; readonly credential: string }
  | { readonly kind: 'audit'; readonly event: Partial<AuditEvent> }
);

/** So many connections are remembered while they live, and so many that nobody has claimed yet. */
const MAX_REMEMBERED = 1_000;

/**
 * Says which attempt of the page each line of the audit log is about. A refusal is written while its socket's request is
 * handled, which the async context tells. Everything later names the connection, and the connection names its attempt.
 */
export class WireLog {
  readonly events = new Subject<WireEvent>();
  readonly #exchanges = new AsyncLocalStorage<string>();
  readonly #attempts = new Map<string, string>();
  readonly #unclaimed = new Map<string, AuditEvent[]>();

  /** A handshake has come, and is about to be handled by whatever reads the socket next. */
  came({ attempt, lines }: ShownHandshake): void {
    if (attempt === undefined) return;
    this.#exchanges.enterWith(attempt);
    this.events.next({ attempt, kind: 'handshake', lines });
  }

  /** A gateway was shown a connection. */
  admitted(attempt: string, connectionId: string, principal: string, credential: string): void {
    remember(this.#attempts, connectionId, attempt);
    for (const event of this.#unclaimed.get(connectionId) ?? []) this.#tell(attempt, event);
    this.#unclaimed.delete(connectionId);
    this.events.next({ attempt, kind: 'admitted', principal, credential });
  }

  /** A line of the audit log. */
  audited(event: AuditEvent): void {
    const { connectionId } = event;
    const known = connectionId && this.#attempts.get(connectionId);
    const attempt = known || this.#exchanges.getStore();
    if (attempt) this.#tell(attempt, event);
    else if (connectionId)
      remember(this.#unclaimed, connectionId, [...(this.#unclaimed.get(connectionId) ?? []), event]);
    if (connectionId && event.event === 'connection_closed') this.#attempts.delete(connectionId);
  }

  #tell(attempt: string, event: AuditEvent): void {
    const { ip: _ip, ipSource: _ipSource, node: _node, ...shown } = event;
    this.events.next({ attempt, kind: 'audit', event: shown });
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  if (map.size > MAX_REMEMBERED) map.delete(map.keys().next().value!);
}
