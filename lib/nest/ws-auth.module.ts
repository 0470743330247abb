import {
  type BeforeApplicationShutdown,
  Inject,
  Module,
  type NestModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { WsAuthOptionsError } from '../core/errors.js';
import { describeUnreachable } from './reachable-credentials.js';
import { sealHandlers } from './sealed-handlers.js';
import { WS_AUTH_DOCTOR, WS_AUTH_ENGINE } from './ws-auth.constants.js';
import type { WsAuthDoctor } from './ws-auth.doctor.js';
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
  readonly #doctor: WsAuthDoctor;
  readonly #host: HttpAdapterHost;

  constructor(
    @Inject(WS_AUTH_ENGINE) engine: WsAuthEngine,
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Inject(WS_AUTH_DOCTOR) doctor: WsAuthDoctor,
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
  ) {
    super();
    this.#engine = engine;
    this.#modules = modules;
    if (engine.messageContext.isOn) sealHandlers(modules);
    this.#doctor = doctor;
    this.#host = host;
  }

  /** The first hook after Nest has made its WebSocket servers: an open gateway is found before any client can be. */
  configure(): void {
    this.#engine.assertServed(this.#modules);
    const { options, gateways } = this.#engine;
    const server = this.#host.httpAdapter?.getHttpServer() as object | undefined;
    const problems = describeUnreachable(options, gateways.load(this.#modules), server);
    if (problems.length > 0) throw new WsAuthOptionsError(problems);
  }

  /**
   * Takes handshakes from now on: every module is initialised, the doctor has looked at all of it, and the store is ready.
   *
   * @throws {WsAuthOptionsError} for what the doctor has found, where the options are `strict`
   */
  async onApplicationBootstrap(): Promise<void> {
    await this.#doctor.attendBoot();
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
