import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import type { Server } from 'ws';
import {
  type Principal,
  WsAuth,
  type WsAuthPolicy,
  WsPrincipal,
  WsPublic,
  type WsPublicPolicy,
  WsRoles,
} from '../../lib/index.js';

/** What a gateway was shown, for tests that ask whether it was shown anything. */
export interface Seen {
  readonly connected: object[];
  readonly disconnected: object[];
  readonly messages: unknown[];
}

/** A guarded gateway on `/ws` that records what it is shown. A class of its own for each application. */
export function makeChatGateway(path = '/ws', policy: WsAuthPolicy = {}) {
  const seen: Seen = { connected: [], disconnected: [], messages: [] };

  @WsAuth(policy)
  @WebSocketGateway({ path })
  class ChatGateway {
    static readonly seen = seen;

    @WebSocketServer()
    server!: Server;

    handleConnection(client: object) {
      seen.connected.push(client);
    }

    handleDisconnect(client: object) {
      seen.disconnected.push(client);
    }

    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      seen.messages.push(data);
      return { event: 'echo', data };
    }

    @SubscribeMessage('whoami')
    whoAmI(@WsPrincipal() principal: Principal) {
      return { event: 'whoami', data: principal };
    }

    @WsRoles('admin')
    @SubscribeMessage('admin')
    admin(@WsPrincipal('id') id: string) {
      return { event: 'admin', data: id };
    }
  }

  return ChatGateway;
}

/** A gateway that is public on purpose, and records what it is shown. Port 0 is the port of the application. */
export function makePublicGateway(path: string | undefined, policy: WsPublicPolicy = {}, port = 0) {
  const seen: Seen = { connected: [], disconnected: [], messages: [] };

  @WsPublic(policy)
  @WebSocketGateway(port, path === undefined ? {} : { path })
  class PublicGateway {
    static readonly seen = seen;

    handleConnection(client: object) {
      seen.connected.push(client);
    }

    handleDisconnect(client: object) {
      seen.disconnected.push(client);
    }

    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      seen.messages.push(data);
      return { event: 'echo', data };
    }
  }

  return PublicGateway;
}
