import type { Notice, NoticeBoard } from '../core/notice-board.js';
import { readNotice, writeNotice } from './notice-message.js';
import type { RedisConnection } from './redis-connection.js';

/** Notices by publish and subscribe, on one channel of the connection that follows the revocations. */
export class RedisNoticeBoard implements NoticeBoard {
  readonly #redis: RedisConnection;
  readonly #listeners: ((notice: Notice) => void)[] = [];

  constructor(redis: RedisConnection) {
    this.#redis = redis;
    const { subscriber } = redis.clients;
    const onMessage = (...[channel, message]: string[]): void => this.#receive(channel!, message!);
    subscriber.on('message', onMessage as (...args: never[]) => void);
    // With every new connection: the first may stand before `start` is called.
    subscriber.on('ready', () => void this.start());
  }

  follow(listener: (notice: Notice) => void): void {
    this.#listeners.push(listener);
  }

  /** Listens. Where it fails the next connection tries again. */
  async start(): Promise<void> {
    try {
      // In small letters: by this name ioredis 5 knows that more than one answer may come.
      await this.#redis.clients.subscriber.call('subscribe', this.#redis.keys.notices);
    } catch {
      // As said.
    }
  }

  async publish(notice: Notice): Promise<void> {
    const { commands, keys, node } = this.#redis;
    try {
      await commands.call('PUBLISH', keys.notices, writeNotice(node, notice));
    } catch {
      // Notices may be lost: what must not be is in the store.
    }
  }

  #receive(channel: string, message: string): void {
    if (channel !== this.#redis.keys.notices) return;
    const notice = readNotice(message, this.#redis.node);
    if (notice) for (const listener of this.#listeners) listener(notice);
  }
}
