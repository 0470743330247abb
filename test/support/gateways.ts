import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import type { Server } from 'ws';
import { type Principal, WsAuth, WsPrincipal, WsRoles } from '../../lib/index.js';

/** What a gateway was shown, for tests that ask whether it was shown anything. */
export interface Seen {
  readonly connected: object[];
  readonly disconnected: object[];
  readonly messages: unknown[];
}

/** A guarded gateway on `/ws` that records what it is shown. A class of its own for each application. */
export function makeChatGateway(path = '/ws') {
  const seen: Seen = { connected: [], disconnected: [], messages: [] };

  @WsAuth()
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
