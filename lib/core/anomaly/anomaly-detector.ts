import type { AuditRecord } from '../audit/audit-event.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { Clock } from '../clock.js';
import { addressPrefix } from '../handshake/client-address.js';
import type { NoticeBoard } from '../notice-board.js';
import { throttleKey } from '../throttle/throttle-store.js';
import type { AnomalyRuleName, ResolvedAnomalyOptions } from './anomaly-options.js';
import type { AnomalyStore } from './anomaly-store.js';
import { SessionAddresses } from './session-addresses.js';
import { WindowCounter } from './window-counter.js';

/** What the detector is built from. */
export interface AnomalyDetectorOptions {
  readonly options: ResolvedAnomalyOptions;
  readonly store: AnomalyStore;
  readonly notices: NoticeBoard;
  readonly audit: AuditLog;
  /** Monotonic. */
  readonly clock: Clock;
  readonly ipv6Prefix: number;
  /** Bans an address. @returns false when it must not be, or is banned for longer */
  readonly ban: (prefix: string, durationMs: number, rule: string) => boolean;
  /** True while an address is banned. */
  readonly isBanned: (prefix: string) => boolean;
  /** Has a connection authenticate again before what asks for it. */
  readonly stepUp: (connectionId: string) => void;
  /** Ends a session on all nodes. */
  readonly revoke: (sessionId: string, rule: string) => void;
  /** Hears of what is thrown while nobody waits. */
  readonly onError: (error: unknown) => void;
}

/** What a rule has found. */
interface Finding {
  readonly rule: AnomalyRuleName;
  readonly record: AuditRecord;
  readonly prefix: string;
  readonly count: number;
  /** What was done is the address's own doing. */
  readonly isOwn: boolean;
}

const FIRST_BACK_OFF_MS = 1_000;
/** Questions to the store in a second: beyond it this node counts for itself. */
const MAX_QUESTIONS = 100;

/** Failures that say nothing of an attack: a laptop that wakes up has old credentials. */
const HARMLESS = new Set(['token_expired', 'token_not_yet_valid', 'token_issued_in_the_future']);
const FAILURE = /^(?:token_|ticket_|basic_user_unknown$|credential_conflict$|.*_refused$)/;

/**
 * Looks in the audit log for what only many attempts together show. Counting is by address prefix, and by the credential
 * or user that is claimed; never is a user locked out for what others do in the name of that user (requirement CR-05).
 *
 * A handshake waits for none of it, and one that succeeds asks the store nothing.
 */
export class AnomalyDetector {
  readonly #parts: AnomalyDetectorOptions;
  readonly #counts: WindowCounter;
  readonly #suspects: WindowCounter;
  readonly #logins: WindowCounter;
  readonly #questions: WindowCounter;
  readonly #addresses: SessionAddresses;

  constructor(parts: AnomalyDetectorOptions) {
    this.#parts = parts;
    const { clock } = parts;
    this.#counts = new WindowCounter(clock);
    this.#suspects = new WindowCounter(clock);
    this.#logins = new WindowCounter(clock);
    this.#questions = new WindowCounter(clock, 1);
    this.#addresses = new SessionAddresses(clock);
    parts.notices.follow((notice) => {
      if (notice.kind === 'suspect') this.#suspects.add(notice.key, notice.forMs);
    });
  }

  /** True for an address from which somebody has logged in within the hour, on this node. */
  hasLoggedIn(prefix: string): boolean {
    return this.#logins.of(prefix) > 0;
  }

  /** How many keys each of its tables has. */
  get sizes(): readonly number[] {
    const tables = [this.#counts, this.#suspects, this.#logins, this.#questions, this.#addresses];
    return tables.map(({ size }) => size);
  }

  /** Looks at one record. Never throws. */
  observe(record: AuditRecord): void {
    const { ip, outcome, event, reasonCode } = record;
    const isLogin = event === 'authn_login_success' && reasonCode === 'admitted';
    if (ip === undefined || (!isLogin && outcome !== 'refused')) return;
    const prefix = addressPrefix(ip, this.#parts.ipv6Prefix);
    if (isLogin) return this.#noteLogin(record, prefix);
    if (reasonCode === 'ticket_replayed') this.#hit('ticketReplayed', [prefix], record, prefix);
    if (reasonCode.startsWith('ticket_mismatch_')) this.#hit('ticketWrongBinding', [prefix], record, prefix);
    if (reasonCode === 'cookie_tossing_suspected') this.#hit('cookieTossing', [prefix], record, prefix);
    if (!FAILURE.test(reasonCode) || HARMLESS.has(reasonCode)) return;
    const claim = this.#claimOf(record);
    const credential = claim === '' ? knownTicketOf(record) : claim;
    this.#hit('failuresOfAddress', [prefix], record, prefix);
    if (credential !== undefined) this.#hit('failuresOfCredential', [credential], record, prefix);
    this.#hit('successAfterFailures', [prefix, claim], record, prefix);
  }

  /** Keyed: what was claimed may be a password that was typed into the wrong field, and the key of the count is in the store. */
  #claimOf({ claim }: AuditRecord): string {
    return claim === undefined ? '' : this.#parts.audit.referenceOf(claim);
  }

  #noteLogin(record: AuditRecord, prefix: string): void {
    this.#logins.forget(prefix);
    this.#logins.add(prefix, 60 * 60_000);
    // Nearly always: a key is a hash, and this is a part of every handshake.
    if (this.#suspects.size > 0) this.#noteSuccess(record, prefix);
    if (record.sessionId !== undefined) this.#noteAddress(record, record.sessionId, prefix);
  }

  #noteSuccess(record: AuditRecord, prefix: string): void {
    const key = keyOf('successAfterFailures', [prefix, this.#claimOf(record)]);
    if (this.#suspects.of(key) === 0) return;
    this.#suspects.forget(key);
    const count = this.#parts.options.successAfterFailures.threshold;
    this.#tell({ rule: 'successAfterFailures', record, prefix, count, isOwn: true });
  }

  #hit(rule: AnomalyRuleName, parts: readonly string[], record: AuditRecord, prefix: string): void {
    const { threshold, windowMs } = this.#parts.options[rule];
    if (threshold === Infinity) return;
    const key = keyOf(rule, parts);
    const own = this.#counts.add(key, windowMs);
    const isOwn = rule !== 'failuresOfCredential' || this.#isMostlyOf(prefix, parts, threshold, windowMs);
    const counted = this.#countOnAll(key, windowMs, own).then((count) => {
      if (count < threshold) return;
      if (rule === 'successAfterFailures') return this.#suspect(key, windowMs, count === threshold);
      const finding = { rule, record, prefix, count, isOwn };
      if (count === threshold) return this.#tell(finding);
      // It goes on after a ban, or from another address.
      if (!this.#parts.isBanned(prefix)) this.#act(finding);
    });
    counted.catch(this.#parts.onError);
  }

  /**
   * Failures for one credential come from many addresses, and one of them may be its owner's: what is done is done to an
   * address that has half of what is too much to itself (requirement CR-05).
   */
  #isMostlyOf(prefix: string, parts: readonly string[], threshold: number, windowMs: number): boolean {
    const key = keyOf('failuresOfCredential', [...parts, prefix]);
    return this.#counts.add(key, windowMs) * 2 >= threshold;
  }

  /**
   * @returns how many nodes have counted together, or this one alone where the store is away or was asked too often; never
   * fewer than this one knows of
   */
  async #countOnAll(key: string, windowMs: number, own: number): Promise<number> {
    if (this.#questions.add('', 1_000) > MAX_QUESTIONS) return own;
    try {
      return Math.max(own, await this.#parts.store.count(key, windowMs));
    } catch {
      return own;
    }
  }

  /** A success under this key is worth telling, on whichever node it comes. */
  #suspect(key: string, forMs: number, isNew: boolean): void {
    if (this.#suspects.of(key) === 0) this.#suspects.add(key, forMs);
    if (isNew) void this.#parts.notices.publish({ kind: 'suspect', key, forMs });
  }

  /** Most sessions have one address: the store hears of those that have more. */
  #noteAddress(record: AuditRecord, sessionId: string, prefix: string): void {
    const rule = 'sessionOnManyAddresses';
    const { threshold, windowMs } = this.#parts.options[rule];
    if (threshold === Infinity) return;
    const untold = this.#addresses.add(sessionId, prefix, windowMs);
    if (untold.length === 0) return;
    const key = keyOf(rule, [sessionId]);
    const members = untold.map((address) => throttleKey('address', address));
    this.#parts.store.addMembers(key, members, windowMs, threshold + 1).then(
      ({ before, after }) => {
        if (before <= threshold && after > threshold)
          this.#tell({ rule, record, prefix, count: after, isOwn: true });
      },
      () => {},
    );
  }

  #tell(finding: Finding): void {
    const { rule, record, count } = finding;
    const { action } = this.#parts.options[rule];
    const { correlationId, connectionId, ip, ipSource, origin, path, method, principal, sessionId } = record;
    const { ticketHash, claim } = record;
    this.#parts.audit.record({
      event: 'anomaly_detected',
      outcome: 'reported',
      reasonCode: rule,
      correlationId,
      connectionId,
      ip,
      ipSource,
      origin,
      path,
      method,
      principal,
      sessionId,
      ticketHash,
      claim,
      count,
      action: this.#act(finding) ? action : 'none',
    });
  }

  /** @returns false when nothing was done */
  #act(finding: Finding): boolean {
    const { rule, record, prefix } = finding;
    const { options, ban, revoke, stepUp } = this.#parts;
    if (!finding.isOwn) return false;
    switch (options[rule].action) {
      case 'none':
        return false;
      case 'back-off':
        return this.#backOff(finding);
      case 'ban':
        return ban(prefix, options.banMs, rule);
      case 'step-up':
        if (record.connectionId !== undefined) stepUp(record.connectionId);
        return record.connectionId !== undefined;
      case 'revoke':
        if (record.sessionId !== undefined) revoke(record.sessionId, rule);
        return record.sessionId !== undefined;
    }
  }

  #backOff({ rule, prefix, count }: Finding): boolean {
    const { ban, options } = this.#parts;
    const times = Math.min(30, count - options[rule].threshold);
    return ban(prefix, Math.min(options.banMs, FIRST_BACK_OFF_MS * 2 ** times), rule);
  }
}

/** What was never issued is no credential: anybody can make up as many as there are. */
function knownTicketOf({ reasonCode, ticketHash }: AuditRecord): string | undefined {
  return reasonCode === 'ticket_unknown' || reasonCode === 'ticket_malformed' ? undefined : ticketHash;
}

function keyOf(rule: AnomalyRuleName, parts: readonly string[]): string {
  return throttleKey(`anomaly:${rule}`, ...parts);
}
