import { BlockList, isIPv4 } from 'node:net';
import type { AuditLog } from '../audit/audit-log.js';
import type { Clock } from '../clock.js';
import { StoreUnavailable, WsAuthError } from '../errors.js';
import { addressPrefix, canonicalIp, parseCidr } from '../handshake/client-address.js';
import type { BanNotice, NoticeBoard } from '../notice-board.js';
import type { AnomalyStore } from './anomaly-store.js';
import { BanList } from './ban-list.js';

/** An address that nobody may connect from, for a time. */
export type Ban = BanNotice;

/** What the bans are built from. */
export interface BansOptions {
  readonly store: AnomalyStore;
  readonly notices: NoticeBoard;
  readonly audit: AuditLog;
  /** Monotonic. */
  readonly clock: Clock;
  readonly ipv6Prefix: number;
  readonly neverBan: readonly string[];
  /** True for a prefix from which somebody has logged in lately: rules do not ban it. */
  readonly isSpared: (prefix: string) => boolean;
  readonly onError: (error: unknown) => void;
}

const MAX_BAN_MS = 30 * 86_400_000;
const REASON = /^[\w .:-]{1,64}$/;

/**
 * Addresses from which nobody may connect for a time, on all nodes. A ban concerns new handshakes: who is connected stays,
 * and no user is ever banned. IPv6 is banned by prefix. Each node looks in its own memory; it learns of bans as they come,
 * and reads all of them every 10 s.
 */
export class Bans {
  readonly #options: BansOptions;
  readonly #list: BanList;
  readonly #never = new BlockList();
  /** Bans of rules that are on their way to the store. */
  readonly #unkept = new Map<string, Ban>();

  constructor(options: BansOptions) {
    this.#options = options;
    this.#list = new BanList(options.clock);
    for (const entry of options.neverBan) {
      const { address, bits, family } = parseCidr(entry)!;
      this.#never.addSubnet(address, bits, family);
    }
    options.notices.follow((notice) => {
      if (notice.kind === 'ban') this.#learn(notice.ban);
      if (notice.kind === 'lift') this.#forget(notice.prefix);
    });
  }

  /** @internal How many this node knows. */
  get size(): number {
    return this.#list.size;
  }

  /** @internal How long a prefix is still banned; 0 when it is not. */
  remaining(prefix: string): number {
    return this.#list.remaining(prefix);
  }

  /**
   * Bans an address, on all nodes; in force on this one at once. A ban that is there is replaced.
   *
   * @param address an IPv4 or IPv6 address, or a prefix as {@link list} shows it
   * @param durationMs up to 30 days
   * @param reason a word for the audit log: letters, digits, `_`, `.`, `:`, `-` and spaces, at most 64
   * @throws {WsAuthError} `invalid_selector` for anything else
   * @throws {StoreUnavailable} when the other nodes do not know; this one does
   */
  async ban(address: string, durationMs: number, reason = 'operator'): Promise<void> {
    const prefix = this.#readPrefix(address);
    if (!(durationMs > 0 && durationMs <= MAX_BAN_MS))
      throw new WsAuthError('invalid_selector', 'ban(): the duration is in milliseconds, up to 30 days');
    if (!REASON.test(reason))
      throw new WsAuthError('invalid_selector', 'ban(): the reason is a word of at most 64 characters');
    const ban: Ban = { prefix, remainingMs: durationMs, reason, isAutomatic: false };
    this.#list.add(ban);
    this.#tell('address_banned', ban);
    await this.#options.store.ban(ban);
  }

  /**
   * Lets an address connect again.
   *
   * @returns false when it was not banned
   * @throws {StoreUnavailable} when the other nodes do not know; this one does
   */
  async lift(address: string): Promise<boolean> {
    const prefix = this.#readPrefix(address);
    const wasHere = this.#forget(prefix);
    const wasThere = await this.#options.store.lift(prefix);
    if (!wasHere && !wasThere) return false;
    this.#tell('address_unbanned', { prefix, reason: 'operator' });
    return true;
  }

  /** Every ban of all nodes, with what is left of it. @throws {StoreUnavailable} */
  async list(): Promise<readonly Ban[]> {
    return this.#options.store.bans();
  }

  /** @internal A rule bans. @returns false when it must not, or a ban is there that ends later */
  banByRule(prefix: string, remainingMs: number, reason: string): boolean {
    if (this.#isNever(prefix) || this.#options.isSpared(prefix)) return false;
    const ban: Ban = { prefix, remainingMs, reason, isAutomatic: true };
    if (!this.#list.add(ban)) return false;
    this.#tell('address_banned', ban);
    // Until the store has it, it is in no list that is read from there.
    this.#unkept.set(prefix, ban);
    const kept = this.#options.store.ban(ban).finally(() => this.#unkept.delete(prefix));
    kept.catch((error) => this.#report(error));
    return true;
  }

  /** @internal Reads all of them anew: some may have been missed. */
  async reload(): Promise<void> {
    try {
      this.#list.replace(await this.#options.store.bans());
      for (const ban of this.#unkept.values()) this.#list.add(ban);
    } catch (error) {
      this.#report(error);
    }
  }

  /** What another node has banned by a rule is taken back where this one knows that others are there. */
  #learn(ban: Ban): void {
    if (!ban.isAutomatic || !this.#options.isSpared(ban.prefix)) {
      this.#list.add(ban);
      return;
    }
    this.#tell('address_unbanned', { prefix: ban.prefix, reason: 'logged_in' });
    this.#options.store.lift(ban.prefix).catch((error) => this.#report(error));
  }

  #forget(prefix: string): boolean {
    this.#unkept.delete(prefix);
    return this.#list.remove(prefix);
  }

  #isNever(prefix: string): boolean {
    const address = prefix.split('/')[0]!;
    return this.#never.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  }

  #readPrefix(address: unknown): string {
    const text = typeof address === 'string' ? address : '';
    const [ip = '', bits] = text.split('/');
    const canonical = canonicalIp(ip);
    const prefix = canonical === null ? '' : addressPrefix(canonical, this.#options.ipv6Prefix);
    if (prefix === '' || (bits !== undefined && !prefix.endsWith(`/${bits}`)))
      throw new WsAuthError('invalid_selector', 'an address is IPv4 or IPv6, or a prefix as list() shows it');
    return prefix;
  }

  #tell(
    event: 'address_banned' | 'address_unbanned',
    { prefix, reason }: Pick<Ban, 'prefix' | 'reason'>,
  ): void {
    this.#options.audit.record({ event, outcome: 'success', reasonCode: reason, ip: prefix });
  }

  /** A store that is away is told of elsewhere. */
  #report(error: unknown): void {
    if (!(error instanceof StoreUnavailable)) this.#options.onError(error);
  }
}
