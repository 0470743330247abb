import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type Principal, WsAuth, WsPrincipal, WsRoles } from 'nestjs-ws-auth';

@WsAuth()
@WebSocketGateway({ path: '/ws' })
export class ChatGateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }

  @SubscribeMessage('whoami')
  whoAmI(@WsPrincipal() principal: Principal) {
    return { event: 'whoami', data: principal };
  }

  @WsRoles('admin')
  @SubscribeMessage('admin')
  admin(@WsPrincipal('id') id: string) {
    return { event: 'admin', data: `${id}, you are an admin` };
  }
}
