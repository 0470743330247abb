import { Controller, Get, Inject, NotFoundException, Param, Res } from '@nestjs/common';
import type { Response } from 'express';
import { type PageFile, readPage } from './page-files.js';
import { SETTINGS } from './settings.token.js';
import { otherSite, type Ports, type Settings } from './settings.js';

const FILES = [
  'base.css',
  'opening.css',
  'cards.css',
  'results.css',
  'wire.css',
  'icon.svg',
  'playground.js',
  'attacks.js',
  'attempt.js',
  'cards.js',
  'cookie-frame.js',
  'credentials.js',
  'dom.js',
  'elsewhere.js',
  'foreign-frame.js',
  'lab.js',
  'theme.js',
  'ways.js',
  'wire.js',
];

/** The page: static, without anything from elsewhere, and without a place where text could turn into markup. */
@Controller()
export class PageController {
  readonly #index = readPage('index.html');
  readonly #files = new Map(FILES.map((name) => [name, readPage(name)]));
  readonly #policy: string;

  constructor(@Inject(SETTINGS) { ports }: Settings) {
    this.#policy = policyOf(ports);
  }

  @Get()
  html(@Res({ passthrough: true }) response: Response): string {
    response.setHeader('Content-Security-Policy', this.#policy);
    response.setHeader('Referrer-Policy', 'no-referrer');
    return send(response, this.#index);
  }

  @Get('page/:name')
  file(@Param('name') name: string, @Res({ passthrough: true }) response: Response): string {
    const file = this.#files.get(name);
    if (!file) throw new NotFoundException();
    return send(response, file);
  }
}

function send(response: Response, { type, text }: PageFile): string {
  response.setHeader('Content-Type', type);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cache-Control', 'no-cache');
  return text;
}

function policyOf(ports: Ports): string {
  const { page, gateway, cookie, basic, foreign } = ports;
  const sockets = [
    ...[page, gateway, basic].map((port) => `ws://localhost:${port}`),
    ...[page, gateway, cookie, basic].map((port) => `ws://127.0.0.1:${port}`),
  ];
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${otherSite(ports)} ${sockets.join(' ')}`,
    `frame-src ${otherSite(ports)} http://127.0.0.1:${foreign} http://localhost:${foreign}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}
