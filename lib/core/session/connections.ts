import type { KeyObject } from 'node:crypto';
import { CLOSE, type CloseCode } from '../close-code.js';
import type { Connection } from '../connection.js';
import { WsAuthError, WsAuthOptionsError } from '../errors.js';
import { userHashOf } from '../identifiers.js';
import type { MessageContext } from '../message/message-context.js';
import { readSessionId } from '../revocation/revocation-service.js';
import type { ConnectionPlace, ConnectionRegistry } from './connection-registry.js';
import type { ConnectionService } from './connection-service.js';

/** Which connections of this node: exactly one of the fields. */
export type ConnectionSelector =
  | { readonly connection: string }
  /** By id or by token. */
  | { readonly session: string }
  /** By principal id. */
  | { readonly user: string };

/**
 * The live connections of this node, and where a user is connected on all nodes. Sessions and users on all nodes are ended
 * by `WsSessionService.revoke`.
 */
export class Connections {
  readonly #service: ConnectionService;
  readonly #registry: ConnectionRegistry;
  readonly #userHashKey: KeyObject;
  readonly #context: MessageContext;

  constructor(
    service: ConnectionService,
    registry: ConnectionRegistry,
    userHashKey: KeyObject,
    context: MessageContext,
  ) {
    this.#service = service;
    this.#registry = registry;
    this.#userHashKey = userHashKey;
    this.#context = context;
  }

  /**
   * The connection of the message that is being handled, wherever that has led: for services that are told nothing of it.
   * In handlers and what they call, policies, hooks of gateways, and Observables while they are subscribed.
   *
   * @returns `undefined` in work that is no message's
   * @throws {WsAuthOptionsError} unless `message.asyncContext` is on
   */
  current(): Connection | undefined {
    if (this.#context.isOn) return this.#context.connection;
    throw new WsAuthOptionsError(['WsConnections.current() needs the option message.asyncContext: true']);
  }

  /** All connections of this node. */
  local(): readonly Connection[] {
    return this.#service.local();
  }

  /** The connections of a user on this node. */
  ofUser(userId: string): readonly Connection[] {
    return this.#service.ofUser(userHashOf(this.#userHashKey, userId));
  }

  /**
   * Where a user is connected, on all nodes, oldest first: one question to the store. A node that died without a word is
   * counted until its lease ends, 15 seconds later; a handshake that is being answered counts already.
   *
   * @throws {StoreUnavailable} when the store does not answer
   */
  onAllNodes(userId: string): Promise<readonly ConnectionPlace[]> {
    return this.#registry.list(userHashOf(this.#userHashKey, userId));
  }

  /**
   * Ends connections of this node; the credential behind them stays good, so that a client may come back.
   *
   * @param close what the client is told @default 4403 `forbidden`
   * @returns how many were ended
   * @throws {WsAuthError} `invalid_selector` when the code is none that may be sent (RFC 6455 §7.4)
   */
  close(selector: ConnectionSelector, close: CloseCode = CLOSE.forbidden): number {
    if (!maySend(close.code)) {
      throw new WsAuthError('invalid_selector', 'close(): the code must be 1000 to 1014 or 3000 to 4999');
    }
    return this.#service.endAll(this.#select(selector), { close, reason: close.word });
  }

  #select(selector: ConnectionSelector): Connection[] {
    if ('user' in selector) return [...this.ofUser(selector.user)];
    if ('session' in selector) return this.#service.ofSession(readSessionId(selector.session));
    const connection = this.#service.get(selector.connection);
    return connection ? [connection] : [];
  }
}

/** 1004 is reserved; 1005 and 1006 say that no code came. */
function maySend(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return (
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code < 5000)
  );
}
