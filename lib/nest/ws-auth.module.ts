import {
  type BeforeApplicationShutdown,
  Inject,
  Module,
  type NestModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { WS_AUTH_ENGINE } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';
import { ConfigurableModuleClass } from './ws-auth.module-definition.js';
import { WS_AUTH_EXPORTS, WS_AUTH_PROVIDERS } from './ws-auth.providers.js';

/**
 * Authenticated WebSocket connections. Import it once, in the root module, with `forRoot()` or `forRootAsync()`; set
 * `new WsAuthAdapter(app)`; mark gateways with `@WsAuth()`.
 *
 * What is unsafe or half installed stops the boot with a {@link WsAuthOptionsError} that names the option and the fix.
 */
@Module({ providers: WS_AUTH_PROVIDERS, exports: WS_AUTH_EXPORTS })
export class WsAuthModule
  extends ConfigurableModuleClass
  implements NestModule, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #engine: WsAuthEngine;
  readonly #modules: ModulesContainer;

  constructor(
    @Inject(WS_AUTH_ENGINE) engine: WsAuthEngine,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    super();
    this.#engine = engine;
    this.#modules = modules;
  }

  /** The first hook after Nest has made its WebSocket servers: an open gateway is found before any client can be. */
  configure(): void {
    this.#engine.assertServed(this.#modules);
  }

  /** Takes handshakes from now on: every module is initialised, and the store is ready. */
  async onApplicationBootstrap(): Promise<void> {
    await this.#engine.start();
  }

  /** Spreads the closes, and holds back what shuts down later until they are done. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#engine.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#engine.stop();
  }
}
