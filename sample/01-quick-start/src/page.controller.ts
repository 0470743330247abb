import { Controller, Get, Header } from '@nestjs/common';
import { readFileSync } from 'node:fs';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

/** The page: static, without anything from elsewhere. */
@Controller()
export class PageController {
  readonly #html = read('page/index.html');
  readonly #script = read('page/page.js');
  readonly #style = read('../../shared/page.css');

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header(
    'Content-Security-Policy',
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:",
  )
  @Header('X-Content-Type-Options', 'nosniff')
  html(): string {
    return this.#html;
  }

  @Get('page.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  script(): string {
    return this.#script;
  }

  @Get('shared.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  style(): string {
    return this.#style;
  }
}
