import { UseGuards } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { makeEchoGateway } from './echo-gateway.mjs';
import { bearerOf } from './jwt-rules.mjs';
import { injectJwtService, jwtModule } from './nest-jwt.mjs';

/** The other usual tutorial: a guard that verifies the token of the handshake before every message. */
class JwtGuard {
  async canActivate(context) {
    const client = context.switchToWs().getClient();
    try {
      client.user = await this.jwtService.verifyAsync(client.token);
      return true;
    } catch {
      throw new WsException('Unauthorized');
    }
  }
}

/** A module with that guard on its gateway. */
export function jwtGuardModule() {
  const Gateway = makeEchoGateway(UseGuards(injectJwtService(JwtGuard)));
  // Clients of ws do not know the request that they came by.
  Gateway.prototype.handleConnection = (client, request) => {
    client.token = bearerOf(request);
  };
  return { imports: [jwtModule()], providers: [Gateway, JwtGuard] };
}
