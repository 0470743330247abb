import {
  BadRequestException,
  Body,
  Controller,
  ForbiddenException,
  Get,
  HttpCode,
  Inject,
  Post,
  Req,
  Res,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { WsAuthError, WsSessionCookie, WsSessionService } from 'nestjs-ws-auth';
import { describeDevice } from './device.js';
import { SETTINGS } from './settings.token.js';
import { originsOf, type Settings } from './settings.js';
import { type User, UserDirectory } from './user-directory.js';

/** A demo: there is no password. A real login checks one here, and is rate limited. */
@Controller()
export class LoginController {
  readonly #sessions: WsSessionService;
  readonly #cookie: WsSessionCookie;
  readonly #users: UserDirectory;
  readonly #origins: readonly string[];

  constructor(
    sessions: WsSessionService,
    cookie: WsSessionCookie,
    users: UserDirectory,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#sessions = sessions;
    this.#cookie = cookie;
    this.#users = users;
    this.#origins = originsOf(settings);
  }

  /** Who may be chosen in the form. */
  @Get('users')
  users(): readonly User[] {
    return this.#users.all();
  }

  @Post('login')
  @HttpCode(204)
  async login(
    @Body() body: { username?: unknown } | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    const { origin, 'user-agent': userAgent } = request.headers;
    if (origin !== undefined && !this.#origins.includes(origin)) throw new ForbiddenException();
    const user = this.#users.find(body?.username);
    if (!user) throw new BadRequestException('send {"username": "ada"}, or another of GET /users');
    const token = await this.#createSession(user, describeDevice(userAgent));
    response.setHeader('Set-Cookie', this.#cookie.issue(request, token));
  }

  async #createSession({ id, roles }: User, data: string): Promise<string> {
    try {
      return (await this.#sessions.create({ userId: id, roles, data })).token;
    } catch (error) {
      if (error instanceof WsAuthError) throw new BadRequestException(error.message);
      throw error;
    }
  }
}
