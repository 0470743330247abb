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

/** Tells clients and gateways what has changed about live connections. */
export class ConnectionNotices implements ConnectionObserver {
  readonly #context: MessageContext;
  readonly #modules: ModulesContainer;
  readonly #onError: (error: unknown) => void;
  #listeners: RightsListeners | undefined;
  /** The ports of paths, by what their connections were admitted under. */
  readonly #ports = new Map<ConnectionTerms, number>();

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

  /** The gateways at once; the client in the next turn, behind the `auth.ok` of a refresh that brought the change. */
  rightsChanged(connection: Connection, change: RightsChange): void {
    const { added, removed } = change;
    const data = { added: namesOf(added), removed: namesOf(removed) };
    if (connection.hearsNotices) setImmediate(() => connection.send(frame('auth.changed', data)));
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

  #call(listener: OnWsRightsChanged, client: WebSocket, change: RightsChange): void {
    try {
      const done = listener.handleRightsChanged(client, change);
      if (types.isPromise(done)) done.catch(this.#onError);
    } catch (error) {
      this.#onError(error);
    }
  }
}
