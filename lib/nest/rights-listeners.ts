import type { ModulesContainer } from '@nestjs/core';
import type { WebSocket } from 'ws';
import type { RightsChange } from '../core/authorization/rights-change.js';
import { normalizeGatewayPath } from './declared-gateway.js';
import { NEST } from './ws-auth.constants.js';

/**
 * What a gateway implements to be told when the rights of a live client have changed, as by `setRoles()` or a refresh: to
 * take it out of rooms and subscriptions that it has lost.
 */
export interface OnWsRightsChanged {
  /**
   * Called once for each client that stays, before its next message is handled. The connection has the new rights already.
   * What it throws is logged, and ends nothing.
   */
  handleRightsChanged(client: WebSocket, change: RightsChange): void | Promise<void>;
}

/** The gateways of an application that want to know of changed rights, by port and path. */
export class RightsListeners {
  readonly #byPlace = new Map<string, OnWsRightsChanged[]>();

  /** @param modules of an application whose gateways are made */
  constructor(modules: ModulesContainer) {
    for (const module of modules.values()) {
      for (const { metatype, instance } of module.providers.values()) {
        if (typeof metatype !== 'function' || !Reflect.hasMetadata(NEST.isGateway, metatype)) continue;
        if (typeof (instance as Partial<OnWsRightsChanged>)?.handleRightsChanged !== 'function') continue;
        const place = placeOf(metatype);
        this.#byPlace.set(place, [...(this.#byPlace.get(place) ?? []), instance as OnWsRightsChanged]);
      }
    }
  }

  /** Those on a path. */
  on(port: number, path: string): readonly OnWsRightsChanged[] {
    return this.#byPlace.get(`${port} ${path}`) ?? [];
  }
}

function placeOf(gateway: object): string {
  const { path } = (Reflect.getMetadata(NEST.gatewayOptions, gateway) ?? {}) as { path?: string };
  const port = (Reflect.getMetadata(NEST.port, gateway) as number | undefined) ?? 0;
  return `${port} ${normalizeGatewayPath(path)}`;
}
