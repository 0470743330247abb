import { Inject } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { WsAuth, WsPrincipal } from 'nestjs-ws-auth';
import { SETTINGS } from './settings.token.js';
import type { NodeSettings } from './settings.js';

@WsAuth()
@WebSocketGateway({ path: '/ws' })
export class ChatGateway {
  readonly #node: string;

  constructor(@Inject(SETTINGS) settings: NodeSettings) {
    this.#node = settings.name;
  }

  @SubscribeMessage('hello')
  hello(@WsPrincipal('id') id: string) {
    return { event: 'hello', data: `${id}, this is node ${this.#node}` };
  }
}
