import {
  BadRequestException,
  Body,
  Controller,
  ForbiddenException,
  HttpCode,
  Inject,
  Post,
  Req,
  Res,
} from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { Request, Response } from 'express';
import { WsAuthError, WsSessionCookie, WsSessionService } from 'nestjs-ws-auth';
import { randomUUID } from 'node:crypto';
import { SETTINGS } from './settings.token.js';
import { AUDIENCE, ISSUER, type Settings } from './settings.js';

/** A demo: any name is let in, without a password. A real login checks one here, and is rate limited. */
@Controller()
export class LoginController {
  readonly #sessions: WsSessionService;
  readonly #cookie: WsSessionCookie;
  readonly #jwt: JwtService;
  readonly #settings: Settings;

  constructor(
    sessions: WsSessionService,
    cookie: WsSessionCookie,
    jwt: JwtService,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#sessions = sessions;
    this.#cookie = cookie;
    this.#jwt = jwt;
    this.#settings = settings;
  }

  @Post('login')
  @HttpCode(200)
  async login(
    @Body() body: { username?: unknown; roles?: unknown } | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ) {
    const { origin } = request.headers;
    if (origin !== undefined && !this.#settings.origins.includes(origin)) throw new ForbiddenException();
    const username = body?.username;
    const roles = body?.roles ?? [];
    if (typeof username !== 'string' || !Array.isArray(roles)) {
      throw new BadRequestException(
        'send {"username": "ada", "roles": ["admin"]}; any name will do, this is a demo',
      );
    }
    const { session, token } = await this.#createSession(username, roles as string[]);
    response.setHeader('Set-Cookie', this.#cookie.issue(request, token));
    response.setHeader('Cache-Control', 'no-store');
    const accessToken = this.#jwt.sign(
      { roles: session.roles, sid: session.id },
      { subject: username, issuer: ISSUER, audience: AUDIENCE, jwtid: randomUUID(), expiresIn: '15m' },
    );
    return { accessToken, note: 'a demo: any name is let in, without a password' };
  }

  async #createSession(userId: string, roles: string[]) {
    try {
      return await this.#sessions.create({ userId, roles });
    } catch (error) {
      if (error instanceof WsAuthError) throw new BadRequestException(error.message);
      throw error;
    }
  }
}
