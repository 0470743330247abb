/**
 * What happened, in the words of the OWASP Logging Vocabulary where it has one.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html
 */
export type AuditEventName =
  | 'authn_login_success'
  | 'authn_login_fail'
  | 'authn_login_fail_max'
  | 'authn_token_created'
  | 'authn_token_revoked'
  | 'authn_token_reuse'
  | 'authz_fail'
  | 'authz_change'
  | 'connection_closed'
  | 'excess_rate_limit_exceeded'
  | 'excess_sessions_exceeded'
  | 'input_validation_fail'
  | 'malicious_csrf'
  | 'session_created'
  | 'session_renewed'
  | 'session_expired'
  | 'session_logout'
  | 'session_use_after_expire'
  | 'sys_refused'
  | 'anomaly_detected'
  | 'address_banned'
  | 'address_unbanned';

/** `reported`: it would have been refused, but `audit.reportOnly` says only to tell. */
export type AuditOutcome = 'success' | 'refused' | 'closed' | 'reported';

/** What a caller knows of an event; the audit log adds time and node, and turns ids into references. */
export interface AuditRecord {
  readonly event: AuditEventName;
  readonly outcome: AuditOutcome;
  /** Why: a word out of a closed set of this library's, or the caller's reason of a revocation. */
  readonly reasonCode: string;
  readonly correlationId?: string;
  readonly connectionId?: string;
  readonly status?: number;
  readonly closeCode?: number;
  readonly ip?: string;
  readonly ipSource?: 'socket' | 'forwarded';
  readonly origin?: string;
  /** Without query. */
  readonly path?: string;
  /** The kind of credential. */
  readonly method?: string;
  readonly principal?: string;
  readonly sessionId?: string;
  readonly ticketHash?: string;
  /** Who a credential that failed claims to be of. */
  readonly claim?: string;
  /** What of the client's was compared and did not fit, where no other field says it. For `explain()`, and in no event. */
  readonly received?: string;
  /** How many sockets it concerned. */
  readonly sockets?: number;
  /** So many are behind it: failures that an anomaly rule has counted. In a line of the log, also {@link AuditEvent.since}. */
  readonly count?: number;
  /** What an anomaly rule did. */
  readonly action?: string;
}

/** One line of the audit log. No field holds a credential, a session id, a message or a header. */
export interface AuditEvent extends Omit<AuditRecord, 'sessionId' | 'ticketHash' | 'claim' | 'received'> {
  /** UTC, ISO 8601. */
  readonly ts: string;
  readonly node: string;
  /** A keyed hash of the session id: equal on all nodes, and of no other use. */
  readonly sessionRef?: string;
  readonly ticketRef?: string;
  /** A keyed hash of who the credential claims to be of. */
  readonly claimRef?: string;
  /**
   * This line stands for `count` refusals of one kind and address prefix, from then until `ts`; the first of them has a line
   * of its own. UTC, ISO 8601.
   */
  readonly since?: string;
}
