import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Controller, Get, Header, Inject, Post, Query, Req, Res } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { buildSync } from 'esbuild';
import type { IncomingMessage } from 'node:http';
import { WsSessionCookie, WsSessionService, WsTicketService } from '../../lib/index.js';
import { AUDIENCE, ISSUER, JWT_SECRET, startApp, type TestApp } from './app.js';
import { makeChatGateway } from './gateways.js';

/** The client as a page loads it. */
const CLIENT = buildSync({
  entryPoints: [fileURLToPath(new URL('../../lib/client/index.ts', import.meta.url))],
  bundle: true,
  format: 'esm',
  write: false,
}).outputFiles[0]!.text;

/** What every page of the site runs. */
const PAGE_SCRIPT = readFileSync(new URL('./client-page.js', import.meta.url), 'utf8');

/** How often each kind of credential was asked for. */
export interface Fetched {
  tokens: number;
  guestTickets: number;
  /** Tokens are not answered before this is fulfilled. */
  gate?: Promise<void>;
}

/** A site whose pages use the client, on a port that it can come back to. */
export interface ClientSite {
  readonly app: TestApp;
  readonly fetched: Fetched;
  /** The page, on the origin that may connect. */
  readonly page: string;
}

/**
 * Starts a site with a page, a login, tokens and tickets, and a gateway for each way in: `/ticket`, `/bearer`, `/first` and
 * `/cookie`.
 */
export async function startClientSite(port: number, fetched: Fetched): Promise<ClientSite> {
  @Controller()
  class SiteController {
    constructor(
      @Inject(WsSessionService) private readonly sessions: WsSessionService,
      @Inject(WsSessionCookie) private readonly cookie: WsSessionCookie,
      @Inject(WsTicketService) private readonly tickets: WsTicketService,
    ) {}

    @Get()
    @Header('Content-Type', 'text/html')
    @Header('Content-Security-Policy', "default-src 'self'")
    page(): string {
      return '<!doctype html><html lang="en"><title>page</title><script type="module" src="/page.js"></script></html>';
    }

    @Get('client.js')
    @Header('Content-Type', 'text/javascript')
    client(): string {
      return CLIENT;
    }

    @Get('page.js')
    @Header('Content-Type', 'text/javascript')
    script(): string {
      return PAGE_SCRIPT;
    }

    @Post('login')
    async login(
      @Req() request: IncomingMessage,
      @Res({ passthrough: true }) response: { header(name: string, value: string): void },
    ): Promise<object> {
      const { token } = await this.sessions.create({ userId: 'ada' });
      response.header('Set-Cookie', this.cookie.issue(request, token));
      return {};
    }

    /** An access token, such as an identity provider would give. */
    @Post('token')
    async token(@Query('seconds') seconds: string): Promise<object> {
      fetched.tokens += 1;
      await fetched.gate;
      const claims = { sub: 'ada', jti: `${port}-${fetched.tokens}` };
      const options = { secret: JWT_SECRET, issuer: ISSUER, audience: AUDIENCE, expiresIn: Number(seconds) };
      return { token: new JwtService({}).sign(claims, options) };
    }

    /** A ticket for somebody without a session, which a restart would end. */
    @Post('guest-ticket')
    guestTicket(): Promise<object> {
      fetched.guestTickets += 1;
      return this.tickets.issue({ principal: { id: 'guest' } });
    }
  }

  const origin = `http://localhost:${port}`;
  const app = await startApp({
    gateways: [
      makeChatGateway('/ticket', { credentials: ['ticket'] }),
      makeChatGateway('/bearer', { credentials: ['bearer'] }),
      makeChatGateway('/first', { credentials: ['first-message', 'bearer', 'ticket'] }),
      makeChatGateway('/cookie', { credentials: ['cookie'] }),
    ],
    options: {
      origins: [origin],
      // So that a token of a few seconds is one.
      jwt: {
        secret: JWT_SECRET,
        algorithms: ['HS256'],
        issuer: ISSUER,
        audience: AUDIENCE,
        clockToleranceSeconds: 0,
      },
      controller: true,
      handshake: { refuseBrowsersWith: 'close-code' },
    },
    module: { controllers: [SiteController] },
    port,
    host: '0.0.0.0',
  });
  return { app, fetched, page: `${origin}/` };
}
