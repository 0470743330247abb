import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import { readFileSync } from 'node:fs';
import { SETTINGS } from './settings.token.js';
import { type NodeSettings, socketsOf } from './settings.js';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

/** The page: static, without anything from elsewhere. */
@Controller()
export class PageController {
  readonly #html = read('page/index.html');
  readonly #script = read('page/page.js');
  readonly #style = read('page/page.css');
  readonly #sharedStyle = read('../../shared/page.css');
  readonly #settings: NodeSettings;
  readonly #policy: string;

  constructor(@Inject(SETTINGS) settings: NodeSettings) {
    this.#settings = settings;
    const sockets = socketsOf(settings).join(' ');
    this.#policy = `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ${sockets}`;
  }

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('X-Content-Type-Options', 'nosniff')
  html(@Res({ passthrough: true }) response: Response): string {
    response.setHeader('Content-Security-Policy', this.#policy);
    return this.#html;
  }

  @Get('page.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  script(): string {
    return this.#script;
  }

  @Get('page.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  style(): string {
    return this.#style;
  }

  @Get('shared.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  sharedStyle(): string {
    return this.#sharedStyle;
  }

  /** Which node this is, and where both are. */
  @Get('nodes')
  nodes() {
    const { name, ports } = this.#settings;
    return { name, ports };
  }
}
