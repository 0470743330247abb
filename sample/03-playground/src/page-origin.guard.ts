import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { SETTINGS } from './settings.token.js';
import { otherSite, pageOrigin, type Settings } from './settings.js';

/** Requests of the page alone, and of programs: no other page may log anybody in here, or look on. */
@Injectable()
export class PageOriginGuard implements CanActivate {
  readonly #origin: string;
  readonly #hosts: readonly string[];

  constructor(@Inject(SETTINGS) { ports }: Settings) {
    this.#origin = pageOrigin(ports);
    this.#hosts = [pageOrigin(ports), otherSite(ports)].map((origin) => new URL(origin).host);
  }

  canActivate(context: ExecutionContext): boolean {
    const { origin, host } = context.switchToHttp().getRequest<Request>().headers;
    if (host === undefined || !this.#hosts.includes(host)) return false;
    return origin === undefined || origin === this.#origin;
  }
}
