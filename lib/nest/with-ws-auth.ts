import type { INestApplicationContext } from '@nestjs/common';
import type { WsAdapter } from '@nestjs/platform-ws';
import { WsAuthOptionsError } from '../core/errors.js';
import { WsAuthAdapter } from './ws-auth.adapter.js';

/**
 * Guards an adapter of the application's own, in place of `new WsAuthAdapter(app)`.
 *
 * ```ts
 * app.useWebSocketAdapter(withWsAuth(new MyWsAdapter(app), app));
 * ```
 *
 * Kept of it: `bindMessageHandlers()` and `bindMessageHandler()`, if it overrides them: they read frames and write replies
 * in a format of their own, and see none before its sender has proved who it is, none behind the fence, none over a limit;
 * each handler that they call runs in its turn. Its message parser. `bindClientConnect()` and `bindClientDisconnect()`:
 * called with sockets that were admitted. `dispose()`: called last.
 *
 * Not called: `create()` and everything else that has to do with servers, ports and shutdown. An override of these is named
 * in a warning at boot.
 *
 * Not checked: what the adapter does with the frames of a client that was admitted.
 *
 * @throws {WsAuthOptionsError} when it does not extend Nest's `WsAdapter`, such as Socket.IO's; when it is
 *   guarded already, or was made for another HTTP server; when the application does not import `WsAuthModule.forRoot()`
 */
export function withWsAuth(adapter: WsAdapter, app: INestApplicationContext): WsAuthAdapter {
  if (adapter instanceof WsAuthAdapter)
    throw new WsAuthOptionsError(['withWsAuth(): WsAuthAdapter is guarded already, use it as it is']);
  return new WsAuthAdapter(app, {}, adapter ?? null);
}
