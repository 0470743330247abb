import { type OnGatewayConnection, type OnGatewayDisconnect, WebSocketGateway } from '@nestjs/websockets';
import { WsAuth } from 'nestjs-ws-auth';
import { SessionsWatch, type Socket } from './sessions-watch.js';

/** Says `changed` to a page when what it shows has changed; the page then asks over HTTP. */
@WsAuth()
@WebSocketGateway({ path: '/ws' })
export class SessionsGateway implements OnGatewayConnection<Socket>, OnGatewayDisconnect<Socket> {
  readonly #watch: SessionsWatch;

  constructor(watch: SessionsWatch) {
    this.#watch = watch;
  }

  handleConnection(client: Socket): void {
    this.#watch.add(client);
  }

  handleDisconnect(client: Socket): void {
    this.#watch.remove(client);
  }
}
