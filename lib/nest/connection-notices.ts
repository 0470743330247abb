import { types } from 'node:util';
import type { ModulesContainer } from '@nestjs/core';
import type { WebSocket } from 'ws';
import { namesOf, type RightsChange } from '../core/authorization/rights-change.js';
import type { Connection, ConnectionTerms } from '../core/connection.js';
import { frame } from '../core/message/envelope.js';
import type { MessageContext } from '../core/message/message-context.js';
import type { ConnectionObserver } from '../core/session/connection-observer.js';
import type { GuardedPath } from './gateway-registry.js';
import { GuardedSocket } from './guarded-socket.js';
import { RightsListeners, type OnWsRightsChanged } from './rights-listeners.js';

/** How many clients are told in one turn: a write each, and everybody else waits for so many. */
const TOLD_PER_TURN = 100;

/** Tells clients and gateways what has changed about live connections. */
export class ConnectionNotices implements ConnectionObserver {
  readonly #context: MessageContext;
  readonly #modules: ModulesContainer;
  readonly #onError: (error: unknown) => void;
  #listeners: RightsListeners | undefined;
  /** The ports of paths, by what their connections were admitted under. */
  readonly #ports = new Map<ConnectionTerms, number>();
  /** Clients that are to hear of a change, oldest first. */
  #untold: { readonly connection: Connection; readonly change: RightsChange }[] = [];

  constructor(parts: {
    context: MessageContext;
    modules: ModulesContainer;
    onError: (error: unknown) => void;
  }) {
    this.#context = parts.context;
    this.#modules = parts.modules;
    this.#onError = parts.onError;
  }

  /** Connections of this path are to come. */
  serve({ policy, port }: GuardedPath): void {
    this.#ports.set(policy, port);
  }

  /** The gateways at once; the client with the next turns, behind the `auth.ok` of a refresh that brought the change. */
  rightsChanged(connection: Connection, change: RightsChange): void {
    if (connection.hearsNotices && this.#untold.push({ connection, change }) === 1)
      setImmediate(() => this.#tell());
    const port = this.#ports.get(connection.terms);
    if (port === undefined || !(connection.transport instanceof GuardedSocket)) return;
    const client = connection.transport as unknown as WebSocket;
    // Not before: the gateways are made one after the other.
    this.#listeners ??= new RightsListeners(this.#modules);
    for (const listener of this.#listeners.on(port, connection.handshake.path))
      this.#context.run(connection, () => this.#call(listener, client, change));
  }

  expiring(connection: Connection): void {
    if (connection.hearsNotices) connection.send(frame('auth.expiring', { expiresAt: connection.expiresAt }));
  }

  /** In the next turn: the client hears first that its credential was good. */
  authenticated({ transport }: Connection): void {
    if (transport instanceof GuardedSocket) setImmediate(() => transport.inbox?.resumeParked());
  }

  /** No timer between turns: the last of many is told as soon as the node can, and no longer turn holds the others up. */
  #tell(): void {
    const turn = this.#untold.slice(0, TOLD_PER_TURN);
    this.#untold = this.#untold.slice(TOLD_PER_TURN);
    if (this.#untold.length > 0) setImmediate(() => this.#tell());
    for (const { connection, change } of turn) {
      const data = { added: namesOf(change.added), removed: namesOf(change.removed) };
      connection.send(frame('auth.changed', data));
    }
  }

  #call(listener: OnWsRightsChanged, client: WebSocket, change: RightsChange): void {
    try {
      const done = listener.handleRightsChanged(client, change);
      if (types.isPromise(done)) done.catch(this.#onError);
    } catch (error) {
      this.#onError(error);
    }
  }
}
