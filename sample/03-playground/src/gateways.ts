import { Inject } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { WsAuth, WsConnection, wsConnection, type Connection } from 'nestjs-ws-auth';
import { WireLog } from './wire-log.js';

/** What all gateways here do: tell the page who came, and answer `hello`. */
abstract class PlaygroundGateway {
  constructor(@Inject(WireLog) private readonly wire: WireLog) {}

  handleConnection(client: object): void {
    const { id, principal, credential, handshake } = wsConnection(client);
    const attempt = new URLSearchParams(handshake.query).get('try');
    if (attempt) this.wire.admitted(attempt, id, principal.id, credential);
  }

  @SubscribeMessage('hello')
  hello(@WsConnection() { principal, credential }: Connection) {
    return { event: 'hello', data: `${principal.id}, admitted by ${credential}` };
  }
}

@WsAuth({ credentials: ['first-message', 'bearer'] })
@WebSocketGateway({ path: '/first-message' })
export class FirstMessageGateway extends PlaygroundGateway {}

@WsAuth({ credentials: ['ticket'] })
@WebSocketGateway({ path: '/ticket' })
export class TicketGateway extends PlaygroundGateway {}

/** A second path that takes tickets: those of the first open nothing here. */
@WsAuth({ credentials: ['ticket'] })
@WebSocketGateway({ path: '/admin' })
export class AdminGateway extends PlaygroundGateway {}

@WsAuth({ credentials: ['bearer'] })
@WebSocketGateway({ path: '/token' })
export class TokenGateway extends PlaygroundGateway {}

@WsAuth({ credentials: ['cookie'] })
@WebSocketGateway({ path: '/cookie' })
export class CookieGateway extends PlaygroundGateway {}

@WsAuth({ credentials: ['basic'] })
@WebSocketGateway({ path: '/basic' })
export class BasicGateway extends PlaygroundGateway {}

@WsAuth({ credentials: ['client-certificate'] })
@WebSocketGateway({ path: '/certificate' })
export class CertificateGateway extends PlaygroundGateway {}
