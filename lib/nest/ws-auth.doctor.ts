import { Server as TlsServer } from 'node:tls';
import { Logger } from '@nestjs/common';
import type { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import type { DoctorFacts, GatewayFacts } from '../core/doctor/doctor-facts.js';
import { examine, type Diagnosis } from '../core/doctor/doctor.js';
import { describeFinding, isRefusedWhenStrict } from '../core/doctor/finding.js';
import { WsAuthOptionsError } from '../core/errors.js';
import type { RedisStores } from '../redis/redis-stores.js';
import type { SkippedLimits } from './declared-gateway.js';
import type { GuardedPath } from './gateway-registry.js';
import { WS_AUTH_CONTROLLER_OPTIONS } from './ws-auth.constants.js';
import type { WsAuthControllerOptions } from './ws-auth-controller-options.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** How long the boot waits for Redis to say what it is; the start of the stores waits longer, and says when it is away. */
const REDIS_WAIT_MS = 1_000;

/**
 * Looks at an application as a whole for what is unsafe or odd: its options, its gateways, its store and its server. What
 * cannot be is not among it: that stops the boot by itself.
 */
export class WsAuthDoctor {
  readonly #engine: WsAuthEngine;
  readonly #modules: ModulesContainer;
  readonly #host: HttpAdapterHost;
  readonly #logger = new Logger('WsAuth');

  constructor(engine: WsAuthEngine, modules: ModulesContainer, host: HttpAdapterHost) {
    this.#engine = engine;
    this.#modules = modules;
    this.#host = host;
  }

  /**
   * Logs what is found: each error and warning on a line of its own, and the ids of notices on one, at debug level.
   *
   * @throws {WsAuthOptionsError} with all that `strict` refuses, where the options say so
   */
  async attendBoot(): Promise<void> {
    const { findings } = await this.examine();
    const refused = this.#engine.options.strict ? findings.filter(isRefusedWhenStrict) : [];
    if (refused.length > 0) {
      throw new WsAuthOptionsError(
        refused.map((finding) => `${describeFinding(finding)} (refused because of strict: true)`),
      );
    }
    for (const finding of findings) {
      if (finding.severity === 'error') this.#logger.error(describeFinding(finding));
      if (finding.severity === 'warning') this.#logger.warn(describeFinding(finding));
    }
    const notices = new Set(findings.filter(({ severity }) => severity === 'notice').map(({ id }) => id));
    if (notices.size > 0)
      this.#logger.debug(`doctor: worth knowing (npx nestjs-ws-auth doctor): ${[...notices].join(', ')}`);
  }

  /** Looks, and changes nothing. @throws {WsAuthOptionsError} when the gateways contradict each other */
  async examine(): Promise<Diagnosis> {
    return examine(await this.facts());
  }

  /** What there is to look at. @throws {WsAuthOptionsError} when the gateways contradict each other */
  async facts(): Promise<DoctorFacts> {
    const { options, gateways, stores } = this.#engine;
    const paths = gateways.load(this.#modules);
    return {
      options,
      now: Date.now(),
      nodeEnv: process.env.NODE_ENV,
      nodeVersion: process.versions.node,
      gateways: paths.flatMap(factsOfPath),
      uncovered: gateways.warnings,
      hasOwnCallers: this.#hasOwnCallers(),
      isTlsServer: this.#isTlsServer(),
      redis: await (stores as Partial<RedisStores>).facts?.(REDIS_WAIT_MS),
    };
  }

  /** Lets go of what was made to look: of an application that was built, and is not started. */
  release(): Promise<void> {
    return this.#engine.stop();
  }

  #hasOwnCallers(): boolean {
    return [...this.#modules.values()].some((module) => {
      const options = module.providers.get(WS_AUTH_CONTROLLER_OPTIONS)?.instance as
        WsAuthControllerOptions | undefined;
      return options?.authenticate !== undefined;
    });
  }

  /** `undefined` where there is no server, as in a worker. */
  #isTlsServer(): boolean | undefined {
    const server = this.#host.httpAdapter?.getHttpServer() as object | undefined;
    return server && server instanceof TlsServer;
  }
}

function factsOfPath({ policy, gateways }: GuardedPath): GatewayFacts[] {
  return gateways.map((gateway) => ({
    name: gateway.name,
    port: gateway.port,
    path: gateway.path,
    access: gateway.access,
    credentials: policy.credentials,
    concurrency: gateway.concurrency,
    handlers: gateway.handlers.map((handler) => ({
      method: handler.method,
      hasRule: handler.rules.isDeclared,
      skipsThrottle: isSkipping(handler.skips) || isSkipping(gateway.skips),
      concurrency: handler.concurrency,
    })),
  }));
}

/** A handler can take back by `false` what its gateway skips. */
function isSkipping(skips: SkippedLimits): boolean {
  return skips === true || Object.values(skips ?? {}).includes(true);
}
