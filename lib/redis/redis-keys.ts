import { createHash } from 'node:crypto';

/*
 * Every key that the library writes. `{p}` is the partition: all keys of a user lie in one slot of a cluster, so that one
 * script may touch them together; `{a}` is the partition of what is limited. No user id, address or other text of a client stands in a key.
 *
 * key                    type    content                                        lives
 * {p}:s:<session id>     hash    the session                                    until idle or absolute end
 * {p}:u:<user hash>      zset    its session ids by time of creation            as long as its longest session
 * {p}:ue:<user hash>     string  the cut of the user                            as long as anything older could live
 * {p}:ae                 string  the cut of everyone                            likewise
 * {p}:j:<token hash>     string  a revoked token                                until the token's expiry, and five minutes
 * {p}:t:<ticket hash>    hash    the ticket, or that it was spent               its ttl, and a minute
 * {p}:o:<owner>          zset    hashes of unused tickets by expiry             the ttl of the last one
 * {p}:tr:<owner>         string  the rate of tickets                            the window
 * {p}:c:<user hash>      hash    its connections: node|session|since            48 hours after the last one
 * {p}:n                  zset    nodes by the end of their lease                for ever; pruned at each beat
 * {p}:log                stream  revocations and changes                        for ever; about 10,000 entries
 * {p}:x:<nonce>          string  that an order was carried out                  5 minutes
 * {a}:g:<rate hash>      string  what a key, as of an address, has taken of a rate  until it is whole again
 * {a}:an:<hash>          string  how often an anomaly was seen, or a hash of different ones  the window of its rule
 * bans                   hash    end, kind and reason of bans by address prefix as long as the longest ban
 * cfg                    string  the number of partitions                       for ever
 * mark                   string  a keyed hash that stands for the secret         for ever
 */

/** Entries that a log keeps, or a few more. */
export const MAX_LOG = 10_000;

/** Names keys. The prefix is ours and not ioredis's `keyPrefix`, which leaves channels and derived keys without it. */
export class RedisKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** What all keys of a partition begin with. */
  partition(partition: string): string {
    return `${this.#prefix}{${partition}}:`;
  }

  /** Where all nodes read how many partitions there are. */
  get config(): string {
    return `${this.#prefix}cfg`;
  }

  /** The channel on which entries of the log are published. */
  get entries(): string {
    return `${this.#prefix}entries`;
  }

  /** What stands for the secret of the nodes. */
  get mark(): string {
    return `${this.#prefix}mark`;
  }

  /** The addresses that are banned. */
  get bans(): string {
    return `${this.#prefix}bans`;
  }

  /** The channel on which nodes tell each other what may be lost. */
  get notices(): string {
    return `${this.#prefix}notices`;
  }

  /** The channel on which a node is told what others did with the orders that it gave. */
  acknowledgements(node: string): string {
    return `${this.#prefix}ack:${node}`;
  }

  /** What a key has taken of a rate, by {@link hashOfRate}. */
  rate(rateHash: string, partition: string): string {
    return `${this.partition(partition)}g:${rateHash}`;
  }
}

/** A key and its rate as they stand in keys. Two rates of one key are counted apart. */
export function hashOfRate(key: string, emission: number, burst: number): string {
  return createHash('sha256').update(`${emission}:${burst}:${key}`).digest('base64url').slice(0, 22);
}
