import { BadRequestException, Body, Controller, HttpCode, Post, Req, Res, UseGuards } from '@nestjs/common';
import type { Request, Response } from 'express';
import { WsAuthError, WsSessionCookie, WsSessionService } from 'nestjs-ws-auth';
import { PageOriginGuard } from './page-origin.guard.js';

/** A demo: any name is let in, without a password. A real login checks one here, and is rate limited. */
@Controller()
@UseGuards(PageOriginGuard)
export class LoginController {
  constructor(
    private readonly sessions: WsSessionService,
    private readonly cookie: WsSessionCookie,
  ) {}

  @Post('login')
  @HttpCode(204)
  async login(
    @Body() body: { username?: unknown } | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    const username = body?.username;
    if (typeof username !== 'string') throw new BadRequestException('send {"username": "ada"}');
    response.setHeader('Set-Cookie', this.cookie.issue(request, await this.#createSession(username)));
    response.setHeader('Cache-Control', 'no-store');
  }

  async #createSession(userId: string): Promise<string> {
    try {
      return (await this.sessions.create({ userId })).token;
    } catch (error) {
      if (error instanceof WsAuthError) throw new BadRequestException(error.message);
      throw error;
    }
  }
}
