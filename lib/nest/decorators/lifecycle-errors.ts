import { types } from 'node:util';
import { CLOSE } from '../../core/close-code.js';
import { GuardedSocket } from '../guarded-socket.js';
import { ENGINE_PROPERTY } from '../ws-auth.constants.js';
import type { WsAuthEngine } from '../ws-auth.engine.js';
import { findConnection } from '../ws-connection.js';

type LifecycleMethod = (
  this: { [ENGINE_PROPERTY]?: WsAuthEngine },
  client: unknown,
  ...rest: unknown[]
) => unknown;

/**
 * Nest neither awaits nor catches `handleConnection` and `handleDisconnect`: what they throw ends the process, and leaves
 * the client connected. On a gateway of ours it is logged, and a client whose `handleConnection` failed is closed 1011.
 */
export function containLifecycleErrors(prototype: object): void {
  for (const name of ['handleConnection', 'handleDisconnect']) {
    const original = (prototype as Record<string, unknown>)[name];
    if (typeof original !== 'function') continue;
    Object.defineProperty(prototype, name, {
      value: contained(original as LifecycleMethod),
      configurable: true,
      writable: true,
    });
  }
}

function contained(original: LifecycleMethod): LifecycleMethod {
  return function (client, ...rest) {
    const fail = (error: unknown): void => endBrokenClient(this[ENGINE_PROPERTY], client, error);
    try {
      const call = (): unknown => original.call(this, client, ...rest);
      const connection = this[ENGINE_PROPERTY]?.messageContext.isOn ? findConnection(client) : undefined;
      const result = connection ? this[ENGINE_PROPERTY]!.messageContext.run(connection, call) : call();
      // By what it is, not by its class: under Jest, the promises of Node itself are of another realm.
      return types.isPromise(result) ? result.catch(fail) : result;
    } catch (error) {
      return fail(error);
    }
  };
}

/** A client that is none of ours is somebody's unit test: the error is the caller's. */
function endBrokenClient(engine: WsAuthEngine | undefined, client: unknown, error: unknown): void {
  if (!engine || !(client instanceof GuardedSocket)) throw error;
  engine.reportError(error);
  const connection = findConnection(client);
  if (connection)
    engine.connections.end(connection, { close: CLOSE.error, reason: 'handle_connection_failed' });
  else client.close(CLOSE.error.code, CLOSE.error.word);
}
