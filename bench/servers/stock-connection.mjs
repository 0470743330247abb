import { makeEchoGateway } from './echo-gateway.mjs';
import { bearerOf } from './jwt-rules.mjs';
import { injectJwtService, jwtModule } from './nest-jwt.mjs';

/** The usual tutorial: the socket is open, then `handleConnection` verifies the token, and closes when it is wrong. */
export function connectionModule() {
  const Gateway = injectJwtService(makeEchoGateway());
  Gateway.prototype.handleConnection = async function handleConnection(client, request) {
    try {
      client.user = await this.jwtService.verifyAsync(bearerOf(request));
      // Without this a client cannot know that it was let in: it would be measured without its verification.
      client.send('{"event":"ready"}');
    } catch {
      client.close();
    }
  };
  return { imports: [jwtModule()], providers: [Gateway] };
}
