import 'reflect-metadata';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { UseInterceptors } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { compileThrottleLimits } from '../../lib/core/throttle/throttle-limit.js';
import { SkipWsThrottle, WsConcurrency, WsThrottle } from '../../lib/index.js';
import { describeGateway } from '../../lib/nest/declared-gateway.js';
import { resolvePathRules } from '../../lib/nest/message-rules.js';

const ANY = { windowMs: 1_000, limit: 1 };

@WsConcurrency(3)
@WsThrottle({ ...ANY, name: 'gateway' }, { ...ANY, name: 'both' })
@WebSocketGateway({ path: '/a' })
class GatewayA {
  @SubscribeMessage('plain')
  plain() {}
  @WsThrottle({ ...ANY, name: 'both', limit: 7 }, { ...ANY, name: 'own' })
  @SubscribeMessage('own')
  own() {}
  @SkipWsThrottle()
  @SubscribeMessage('none')
  none() {}
  @SkipWsThrottle({ gateway: true })
  @SubscribeMessage('some')
  some() {}
  @WsConcurrency(Infinity)
  @UseInterceptors(class {} as never)
  @SubscribeMessage('line')
  line() {}
}

@SkipWsThrottle({ module: true })
@WsConcurrency(2)
@WebSocketGateway({ path: '/a' })
class GatewayB {
  @SubscribeMessage('plain')
  plain() {}
  @SkipWsThrottle({ module: false })
  @SubscribeMessage('back')
  back() {}
}

const MODULE = {
  concurrency: 1,
  throttle: compileThrottleLimits(
    [
      { ...ANY, name: 'module' },
      { ...ANY, name: 'both' },
    ],
    'module',
  ),
  isIntercepted: false,
};

const rules = (...gateways: (new () => object)[]) =>
  resolvePathRules(
    gateways.map((gateway) => describeGateway(gateway)),
    MODULE,
  );
const namesOf = (path: ReturnType<typeof rules>, event: string): string[] =>
  path.byEvent.get(event)!.throttle.map(({ scope, name }) => `${scope} ${name}`);

describe('resolvePathRules', () => {
  it("puts the handler's limit in place of the gateway's of its name, and that in place of the module's", () => {
    const path = rules(GatewayA);
    expect(namesOf(path, 'plain')).toEqual(['module module', 'GatewayA gateway', 'GatewayA both']);
    expect(namesOf(path, 'own')).toEqual([
      'module module',
      'GatewayA gateway',
      'GatewayA.own both',
      'GatewayA.own own',
    ]);
  });

  it('leaves out what is skipped, and takes back what a handler takes back', () => {
    const path = rules(GatewayA, GatewayB);
    expect(namesOf(path, 'none')).toEqual([]);
    expect(namesOf(path, 'some')).toEqual(['module module', 'GatewayA both']);
    expect(namesOf(path, 'back')).toEqual(['module module', 'module both']);
  });

  it('counts all messages of a gateway by one rule', () => {
    const { byEvent } = rules(GatewayA);
    expect(byEvent.get('plain')!.throttle[1]).toBe(byEvent.get('own')!.throttle[1]);
  });

  it('holds a message that two gateways share against the rules of both, once', () => {
    expect(namesOf(rules(GatewayA, GatewayB), 'plain')).toEqual([
      'module module',
      'GatewayA gateway',
      'GatewayA both',
      'module both',
    ]);
  });

  it('takes the smallest concurrency of gateways that share a path, and lines of handlers as they are', () => {
    const path = rules(GatewayA, GatewayB);
    expect(path.concurrency).toBe(2);
    expect(rules(GatewayA).concurrency).toBe(3);
    expect(path.byEvent.get('plain')!.concurrency).toBeUndefined();
    expect(path.byEvent.get('line')!.concurrency).toBe(Infinity);
  });

  it('knows the handlers that interceptors stand before', () => {
    const { byEvent } = rules(GatewayA);
    expect([...byEvent].filter(([, { isIntercepted }]) => isIntercepted).map(([event]) => event)).toEqual([
      'line',
    ]);
  });
});
