import { EventEmitter } from 'node:events';
import type { ClusterClient, RedisClient, SingleClient } from './redis-client.js';

const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;

/**
 * A subscriber in a cluster: a plain connection to any of its nodes, and to another one when that ends. Every node is told of
 * every message, so it does not matter which. ioredis's own subscriber of a cluster changes its node without telling anybody,
 * and what is published meanwhile is lost; here each new connection is `ready` anew, and the feed subscribes and catches up.
 */
export class ClusterSubscriber implements RedisClient {
  readonly #cluster: ClusterClient;
  readonly #options: object;
  readonly #events = new EventEmitter();
  #client: SingleClient | undefined;
  #last: string | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** @param cluster knows the nodes @param options of the connection */
  constructor(cluster: ClusterClient, options: object) {
    this.#cluster = cluster;
    // A node that is gone may never come back: its connection ends, and is not retried.
    this.#options = { ...options, retryStrategy: null, lazyConnect: false, readOnly: false };
    this.#connect();
  }

  get status(): string {
    return this.#client?.status ?? 'connecting';
  }

  /** What a watchdog cuts when the node does not answer. */
  get stream(): unknown {
    return (this.#client as { stream?: unknown } | undefined)?.stream;
  }

  call(command: string, ...args: (string | number)[]): Promise<unknown> {
    if (!this.#client) return Promise.reject(new Error('no node of the cluster is known'));
    return this.#client.call(command, ...args);
  }

  on(event: string, listener: (...args: never[]) => void): void {
    this.#events.on(event, listener as (...args: unknown[]) => void);
  }

  off(event: string, listener: (...args: never[]) => void): void {
    this.#events.off(event, listener as (...args: unknown[]) => void);
  }

  disconnect(reconnect = false): void {
    if (!reconnect) {
      this.#isStopped = true;
      clearTimeout(this.#timer);
    }
    this.#client?.disconnect();
  }

  #connect(): void {
    const node = this.#nextNode();
    if (!node) return this.#connectLater();
    const client = node.duplicate(this.#options);
    this.#client = client;
    client.on('error', () => {});
    client.on('message', (...message) => this.#events.emit('message', ...message));
    client.on('ready', () => {
      this.#failures = 0;
      this.#events.emit('ready');
    });
    client.on('close', () => this.#events.emit('close'));
    client.on('end', () => {
      if (this.#client !== client) return;
      this.#client = undefined;
      this.#connectLater();
    });
  }

  #connectLater(): void {
    if (this.#isStopped) return;
    const delay = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS) * (1 + Math.random() / 4);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  /** Any node, but not the one that has just ended while there is another. */
  #nextNode(): SingleClient | undefined {
    const nodes = this.#cluster.nodes('all');
    const others = nodes.filter((node) => addressOf(node) !== this.#last);
    const choice = others.length > 0 ? others : nodes;
    const node = choice[Math.floor(Math.random() * choice.length)];
    this.#last = node && addressOf(node);
    return node;
  }
}

/** Of a node as the cluster knows it. */
export function addressOf(node: SingleClient): string {
  const { host, port } = (node.options ?? {}) as { host?: string; port?: number };
  return `${host}:${port}`;
}
