import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  type CanActivate,
  Inject,
  Injectable,
  type NestInterceptor,
  Scope,
  type Type,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, ApplicationConfig, ModulesContainer, REQUEST } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { describe, expect, it } from 'vitest';
import { WsAuth, WsAuthModule, type WsAuthOptionsError, WsPublic } from '../../lib/index.js';
import { resolveOptions } from '../../lib/core/options.js';
import { GatewayRegistry } from '../../lib/nest/gateway-registry.js';
import { coversGateways, describeUncovered } from '../../lib/nest/nest-eleven.js';
import { baseOptions } from '../support/app.js';

class JwtGuard implements CanActivate {
  canActivate() {
    return true;
  }
}

@Injectable({ scope: Scope.REQUEST })
class TenantGuard implements CanActivate {
  constructor(@Inject(REQUEST) readonly request: unknown) {}
  canActivate() {
    return true;
  }
}

class TimingInterceptor implements NestInterceptor {
  intercept(_: unknown, next: { handle(): never }) {
    return next.handle();
  }
}

function makeGateway(...decorators: ClassDecorator[]): Type {
  class SomeGateway {
    @SubscribeMessage('echo')
    echo(data: unknown) {
      return data;
    }
  }
  for (const decorate of [WebSocketGateway({ path: '/ws' }) as ClassDecorator, ...decorators])
    decorate(SomeGateway);
  return SomeGateway;
}

/** Reads gateways as on a Nest that does nothing global for them. */
async function loadUncovered(...providers: unknown[]): Promise<GatewayRegistry> {
  const module = await Test.createTestingModule({
    imports: [WsAuthModule.forRoot(baseOptions())],
    providers: providers as Type[],
  }).compile();
  const registry = new GatewayRegistry(resolveOptions(baseOptions(), { production: false }), false);
  registry.load(module.get(ModulesContainer));
  return registry;
}

describe('coversGateways', () => {
  it('knows the Nest that is installed', () => {
    const entry = createRequire(import.meta.url).resolve('@nestjs/websockets');
    const { version } = JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(coversGateways()).toBe(Number(version.split('.', 1)[0]) >= 12);
  });

  it('tells a Nest that makes handlers with the configuration of the application from one that does not', () => {
    class Eleven {
      getContextCreator(_container: unknown) {}
    }
    class Twelve {
      getContextCreator(_container: unknown, _config: unknown, _filters: unknown) {}
    }
    expect(coversGateways(Eleven)).toBe(false);
    expect(coversGateways(Twelve)).toBe(true);
  });

  it('takes one that it does not know for a newer one', () => {
    expect(coversGateways(class {})).toBe(true);
  });
});

describe('describeUncovered', () => {
  it('has nothing to say where nothing is global', () => {
    expect(describeUncovered(makeGateway(), new ApplicationConfig())).toBeUndefined();
  });

  it('names what is global, and how to put it on the gateway', () => {
    const config = new ApplicationConfig();
    config.useGlobalGuards(new JwtGuard());
    config.useGlobalInterceptors(new TimingInterceptor() as NestInterceptor);
    config.useGlobalPipes(new ValidationPipe());
    expect(describeUncovered(makeGateway(), config)).toBe(
      'gateway SomeGateway is not covered by the global JwtGuard, TimingInterceptor, ValidationPipe: Nest 11 runs no global guards, ' +
        'interceptors and pipes for gateways; put @UseGuards(JwtGuard) @UseInterceptors(TimingInterceptor) @UsePipes(ValidationPipe) ' +
        'on it, or update to Nest 12',
    );
  });

  it('is content with a gateway that has them itself, as classes or as instances', () => {
    const config = new ApplicationConfig();
    config.useGlobalGuards(new JwtGuard());
    config.useGlobalInterceptors(new TimingInterceptor() as NestInterceptor);
    config.useGlobalPipes(new ValidationPipe());
    const gateway = makeGateway(
      UseGuards(JwtGuard),
      UseInterceptors(TimingInterceptor as Type),
      UsePipes(new ValidationPipe()),
    );
    expect(describeUncovered(gateway, config)).toBeUndefined();
  });
});

describe('a GatewayRegistry on a Nest that covers no gateways', () => {
  it('warns of guards and interceptors that are provided for the whole application, request-scoped ones too', async () => {
    const registry = await loadUncovered(
      makeGateway(WsAuth()),
      { provide: APP_GUARD, useClass: JwtGuard },
      { provide: APP_GUARD, useClass: TenantGuard },
      { provide: APP_INTERCEPTOR, useClass: TimingInterceptor },
    );
    expect(registry.warnings).toEqual([
      expect.stringMatching(
        /^gateway SomeGateway is not covered by the global JwtGuard, TenantGuard, TimingInterceptor: /,
      ),
    ]);
  });

  it('says nothing of a gateway without handlers, which they would not stand before', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class SilentGateway {}
    const registry = await loadUncovered(SilentGateway, { provide: APP_GUARD, useClass: JwtGuard });
    expect(registry.warnings).toEqual([]);
  });

  it.each([
    ['@WsAuth()', WsAuth()],
    ['@WsPublic()', WsPublic()],
  ])('refuses a request-scoped gateway with %s', async (_, decorator) => {
    const gateway = makeGateway(decorator, Injectable({ scope: Scope.REQUEST }));
    const error = await loadUncovered(gateway).catch((e: WsAuthOptionsError) => e);
    expect((error as WsAuthOptionsError).problems).toEqual([
      'gateway SomeGateway is request-scoped, by itself or by what it injects: Nest 11 never calls the constructor of such a gateway, ' +
        'and its handlers would run without what they inject; make it a singleton, or update to Nest 12',
    ]);
  });

  it('refuses one that is request-scoped by what it injects', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Tenant {}
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class TenantGateway {
      constructor(readonly tenant: Tenant) {}
    }
    await expect(loadUncovered(TenantGateway, Tenant)).rejects.toThrow(
      'gateway TenantGateway is request-scoped',
    );
  });

  it('only warns of a request-scoped gateway that says nothing about who may connect', async () => {
    const registry = await loadUncovered(makeGateway(Injectable({ scope: Scope.REQUEST })));
    expect(registry.warnings).toContainEqual(expect.stringContaining('SomeGateway is request-scoped'));
  });
});
