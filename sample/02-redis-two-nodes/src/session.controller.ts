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
  UseGuards,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import {
  type Session,
  WsAuthError,
  WsAuthHttpGuard,
  WsSession,
  WsSessionCookie,
  WsSessionService,
} from 'nestjs-ws-auth';
import { SETTINGS } from './settings.token.js';
import { type NodeSettings, originsOf } from './settings.js';

/** A demo: any name is let in, without a password. */
@Controller()
export class SessionController {
  readonly #sessions: WsSessionService;
  readonly #cookie: WsSessionCookie;
  readonly #origins: readonly string[];

  constructor(sessions: WsSessionService, cookie: WsSessionCookie, @Inject(SETTINGS) settings: NodeSettings) {
    this.#sessions = sessions;
    this.#cookie = cookie;
    this.#origins = originsOf(settings);
  }

  @Post('login')
  @HttpCode(200)
  async login(
    @Body() body: { username?: unknown } | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ) {
    const { origin } = request.headers;
    if (origin !== undefined && !this.#origins.includes(origin)) throw new ForbiddenException();
    const username = body?.username;
    if (typeof username !== 'string') {
      throw new BadRequestException('send {"username": "ada"}; any name will do, this is a demo');
    }
    const token = await this.#createSession(username);
    response.setHeader('Set-Cookie', this.#cookie.issue(request, token));
    return { note: 'a demo: any name is let in, without a password' };
  }

  /** Like `POST /ws-auth/logout`, but that it shows what the nodes answered. */
  @Post('logout')
  @HttpCode(200)
  @UseGuards(WsAuthHttpGuard)
  async logout(
    @WsSession() session: Session,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ) {
    const answer = await this.#sessions.revoke({ session: session.id, reason: 'logout' });
    response.setHeader('Set-Cookie', this.#cookie.clear(request));
    return answer;
  }

  async #createSession(userId: string): Promise<string> {
    try {
      return (await this.#sessions.create({ userId })).token;
    } catch (error) {
      if (error instanceof WsAuthError) throw new BadRequestException(error.message);
      throw error;
    }
  }
}
