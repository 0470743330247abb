import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisScript } from './redis-script.js';
import { NODE_BEAT } from './redis-scripts.js';

const BEAT = new RedisScript(NODE_BEAT);

/** When a node is taken for dead. */
export interface LeaseTimes {
  /** How often the lease is renewed. */
  readonly beatMs: number;
  /** A node that has not renewed its lease for so long is dead, and its connections' places are free. */
  readonly leaseMs: number;
}

export const LEASE_TIMES: LeaseTimes = { beatMs: 5_000, leaseMs: 15_000 };

/** The word of a node that it lives. Its registrations count for as long as it stands. */
export class NodeLease {
  readonly #redis: RedisConnection;
  readonly #leaseMs: number;
  #wasTaken = false;

  constructor(redis: RedisConnection, { leaseMs }: LeaseTimes) {
    this.#redis = redis;
    this.#leaseMs = leaseMs;
  }

  /**
   * Takes the lease, or renews it.
   *
   * @returns false when it was taken before and has not stood until now: others may have thrown out what this node
   * registered, or the store has lost it
   * @throws {StoreUnavailable}
   */
  async renew(): Promise<boolean> {
    const replies = await Promise.all(
      this.#redis.partitions.map(async (partition) => {
        const key = `${this.#redis.keys.partition(partition)}n`;
        const [now, standing] = asList(
          await BEAT.run(this.#redis.commands, [key], [this.#redis.node, this.#leaseMs]),
        );
        this.#redis.noteServerTime(Number(asText(now)), partition);
        return standing === '1';
      }),
    );
    const stood = !this.#wasTaken || replies.every((standing) => standing);
    this.#wasTaken = true;
    return stood;
  }

  /** Gives the lease back, so that the places of this node are free at once. */
  async release(): Promise<void> {
    const leases = this.#redis.partitions.map((partition) =>
      this.#redis.clients.commands.call(
        'ZREM',
        `${this.#redis.keys.partition(partition)}n`,
        this.#redis.node,
      ),
    );
    await Promise.allSettled(leases);
  }
}
