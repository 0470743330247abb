import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { echoEvents } from './echo-events.mjs';

/** A gateway that echoes, made without decorator syntax so that it needs no compiler. */
export function makeEchoGateway(...classDecorators) {
  class EchoGateway {}
  for (const event of echoEvents()) {
    const methods = { [event]: (data) => ({ event, data }) };
    Object.defineProperty(EchoGateway.prototype, event, {
      value: methods[event],
      configurable: true,
      writable: true,
    });
    SubscribeMessage(event)(
      EchoGateway.prototype,
      event,
      Object.getOwnPropertyDescriptor(EchoGateway.prototype, event),
    );
    MessageBody()(EchoGateway.prototype, event, 0);
  }
  for (const decorate of [...classDecorators, WebSocketGateway({ path: '/ws' })]) decorate(EchoGateway);
  return EchoGateway;
}
