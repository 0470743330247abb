import type { Subscriber } from './handler-table.js';

/** The part of Nest that binds handlers to sockets; the same in Nest 11 and 12, and not public. */
interface SocketsController {
  subscribeMessages(subscribers: readonly Subscriber[], client: object, gateway: object): void;
}

/**
 * Nest binds every handler of a gateway to every socket, which is most of what an idle connection costs when the handlers
 * are many. Where Nest is as it is known here, `bind` is asked instead.
 *
 * @param bind takes the handlers of a gateway for a socket. @returns false to leave them to Nest
 * @returns false for a Nest of another shape: it goes on to bind them itself
 */
export function takeBinding(
  app: object,
  bind: (...args: Parameters<SocketsController['subscribeMessages']>) => boolean,
): boolean {
  const { socketModule } = app as { socketModule?: { webSocketsController?: Partial<SocketsController> } };
  const controller = socketModule?.webSocketsController;
  const bindByNest = controller?.subscribeMessages;
  if (!controller || typeof bindByNest !== 'function' || bindByNest.length !== 3) return false;
  controller.subscribeMessages = (subscribers, client, gateway) => {
    if (!bind(subscribers, client, gateway)) bindByNest.call(controller, subscribers, client, gateway);
  };
  return true;
}
