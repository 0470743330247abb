import { ConfigurableModuleBuilder, type DynamicModule } from '@nestjs/common';
import type { WsAuthOptions } from '../core/options.js';
import { WsAuthController } from './ws-auth.controller.js';
import type { WsAuthControllerOptions } from './ws-auth-controller-options.js';
import { WS_AUTH_CONTROLLER_OPTIONS, WS_AUTH_OPTIONS } from './ws-auth.constants.js';

/** What is said beside the options, because the shape of the module depends on it. */
export interface WsAuthExtras {
  /** The ready-made HTTP endpoints under `/ws-auth`; `true`, or how they find the caller. @default false */
  controller?: boolean | WsAuthControllerOptions;
}

export const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<WsAuthOptions>({
    optionsInjectionToken: WS_AUTH_OPTIONS,
  })
    .setClassMethodName('forRoot')
    .setExtras<WsAuthExtras>({ controller: false }, (definition, extras) => withExtras(definition, extras))
    .build();

/** Global, so that gateways and guards find the engine in every module. */
function withExtras(definition: DynamicModule, { controller }: WsAuthExtras): DynamicModule {
  const controllerOptions: WsAuthControllerOptions = typeof controller === 'object' ? controller : {};
  return {
    ...definition,
    global: true,
    controllers: controller ? [WsAuthController] : [],
    providers: [
      ...(definition.providers ?? []),
      { provide: WS_AUTH_CONTROLLER_OPTIONS, useValue: controllerOptions },
    ],
  };
}
