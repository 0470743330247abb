import { AsyncLocalStorage } from 'node:async_hooks';
import type { Connection } from '../connection.js';

/** What is being worked on. */
interface Work {
  readonly connection: Connection;
  /** The message has a last look before its handler begins; false once it had it. */
  isUnseen: boolean;
}

/**
 * The connection that a piece of work is done for, wherever that work leads. Costs nothing while it is off: no storage is
 * made, and Node follows no promise.
 */
export class MessageContext {
  readonly #storage: AsyncLocalStorage<Work> | undefined;

  constructor(isOn: boolean) {
    this.#storage = isOn ? new AsyncLocalStorage() : undefined;
  }

  get isOn(): boolean {
    return this.#storage !== undefined;
  }

  /** The connection of the work that is being done; `undefined` where it is nobody's. */
  get connection(): Connection | undefined {
    return this.#storage?.getStore()?.connection;
  }

  /** Does something for a connection: a hook, say. */
  run<T>(connection: Connection, work: () => T): T {
    return this.#storage ? this.#storage.run({ connection, isUnseen: false }, work) : work();
  }

  /** Begins a message of a connection. @returns what runs each part of its handling: the same message in all of them */
  beginMessage(connection: Connection): <T>(part: () => T) => T {
    const storage = this.#storage;
    if (!storage) return (part) => part();
    const work: Work = { connection, isUnseen: true };
    return (part) => storage.run(work, part);
  }

  /** The connection of a message whose handler begins now. Answers once: what the handler calls itself is no message. */
  takeMessage(): Connection | undefined {
    const work = this.#storage?.getStore();
    if (!work?.isUnseen) return undefined;
    work.isUnseen = false;
    return work.connection;
  }
}
