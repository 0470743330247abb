import { BlockList, isIPv4 } from 'node:net';
import type { AuditLog } from '../audit/audit-log.js';
import type { Clock } from '../clock.js';
import { StoreUnavailable, WsAuthError } from '../errors.js';
import { addressPrefix, canonicalIp, parseCidr } from '../handshake/client-address.js';
import type { BanNotice, Notice, NoticeBoard } from '../notice-board.js';
import { MAX_BAN_MS, type AnomalyStore } from './anomaly-store.js';
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

/** Bans that the store has not got are given to it again so many at a time. */
const KEPT_AT_ONCE = 100;
/** Whoever comes from here is this machine, or came through it. */
const LOOPBACK = ['127.0.0.0/8', '::1'];
const REASON = /^[\w .:-]{1,64}$/;

/**
 * Addresses from which nobody may connect for a time, on all nodes. A ban concerns new handshakes: who is connected stays,
 * and no user is ever banned. IPv6 is banned by prefix. Each node looks in its own memory; it learns of bans as they come,
 * and reads all of them every 10 s.
 */
export class Bans {
  readonly #options: BansOptions;
  readonly #list: BanList;
  /** By family: in one list ::/64 would be all of IPv4 too. */
  readonly #never = { ipv4: new BlockList(), ipv6: new BlockList() };
  /** Bans that are not in the store yet: on their way, or it was away. */
  readonly #unkept: BanList;
  #reloading: Promise<void> | undefined;
  /** What came while the store was read, and may be newer than what is read. */
  #meanwhile: Notice[] = [];

  constructor(options: BansOptions) {
    this.#options = options;
    this.#list = new BanList(options.clock);
    this.#unkept = new BanList(options.clock);
    for (const entry of [...LOOPBACK, ...options.neverBan]) {
      const { address, bits, family } = parseCidr(entry)!;
      // IPv6 is banned by prefix: what is smaller than that is in a prefix that must not be banned either.
      this.#never[family].addSubnet(
        address,
        family === 'ipv4' ? bits : Math.min(bits, options.ipv6Prefix),
        family,
      );
    }
    options.notices.follow((notice) => this.#follow(notice));
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
   * @throws {StoreUnavailable} when the other nodes do not know yet, or the store is full of bans; this node does, and tells
   * them as soon as it can
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
    if (!(await this.#keep(ban))) throw new StoreUnavailable('ban(): there are too many bans; lift some');
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
    this.#keep(ban).catch((error) => this.#report(error));
    return true;
  }

  /** @internal Reads all of them anew, some may have been missed; and tells of those that the store has not got. */
  reload(): Promise<void> {
    return (this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined)));
  }

  async #reload(): Promise<void> {
    this.#meanwhile = [];
    try {
      const bans = await this.#options.store.bans();
      const unkept = this.#unkept.all();
      this.#list.clear();
      for (const ban of bans) this.#learn(ban);
      for (const ban of unkept) this.#list.add(ban);
      for (const notice of this.#meanwhile) this.#apply(notice);
      await Promise.all(unkept.slice(0, KEPT_AT_ONCE).map((ban) => this.#keep(ban)));
    } catch (error) {
      this.#report(error);
    }
  }

  /** @returns false when the store has a better one, or no room */
  async #keep(ban: Ban): Promise<boolean> {
    // Until the store has it, it is in no list that is read from there.
    this.#unkept.add(ban);
    const isKept = await this.#options.store.ban(ban);
    this.#unkept.remove(ban.prefix);
    return isKept;
  }

  #follow(notice: Notice): void {
    if (notice.kind !== 'ban' && notice.kind !== 'lift') return;
    if (this.#reloading) this.#meanwhile.push(notice);
    this.#apply(notice);
  }

  #apply(notice: Notice): void {
    if (notice.kind === 'ban') this.#learn(notice.ban);
    if (notice.kind === 'lift') this.#forget(notice.prefix);
  }

  /** What a rule has banned on another node is taken back where this one knows that others are there. */
  #learn(ban: Ban): void {
    const isNever = ban.isAutomatic && this.#isNever(ban.prefix);
    if (!isNever && !(ban.isAutomatic && this.#options.isSpared(ban.prefix))) {
      this.#list.add(ban);
      return;
    }
    const reason = isNever ? 'never_banned' : 'logged_in';
    this.#takeBack(ban.prefix, reason).catch((error) => this.#report(error));
  }

  /** Told by the one node of several that was first. */
  async #takeBack(prefix: string, reason: string): Promise<void> {
    if (await this.#options.store.lift(prefix, { isAutomatic: true }))
      this.#tell('address_unbanned', { prefix, reason });
  }

  #forget(prefix: string): boolean {
    this.#unkept.remove(prefix);
    return this.#list.remove(prefix);
  }

  #isNever(prefix: string): boolean {
    const address = prefix.split('/')[0]!;
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    return this.#never[family].check(address, family);
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
