import { randomUUID } from 'node:crypto';
import {
  BadRequestException,
  Body,
  Controller,
  Get,
  HttpCode,
  Inject,
  type MessageEvent,
  Post,
  Query,
  Req,
  Res,
  ServiceUnavailableException,
  Sse,
  UseGuards,
} from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { Request, Response } from 'express';
import {
  type Principal,
  type Session,
  WsAuthHttpGuard,
  WsPrincipal,
  WsSession,
  WsSessionCookie,
} from 'nestjs-ws-auth';
import { filter, map, type Observable } from 'rxjs';
import { endFromElsewhere } from './elsewhere.js';
import { MACHINE_WAYS, MachineClient, type MachineRun, type MachineWay } from './machine-client.js';
import { PageOriginGuard } from './page-origin.guard.js';
import { SETTINGS } from './settings.token.js';
import { AUDIENCE, ISSUER, otherSite, pageOrigin, type Settings } from './settings.js';
import { WireLog } from './wire-log.js';

/** Attempts are named by the page: a random text of its own, a dot, a number. */
const VIEWER = /^[a-z0-9]{8,32}$/;
const ATTEMPT = /^[a-z0-9]{8,32}\.[0-9]{1,6}$/;

/** What the page needs besides the library's own endpoints. */
@Controller('lab')
@UseGuards(PageOriginGuard)
export class LabController {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly wire: WireLog,
    private readonly jwt: JwtService,
    private readonly machine: MachineClient,
    private readonly cookie: WsSessionCookie,
  ) {}

  @Get('settings')
  read() {
    const { ports, certificates } = this.settings;
    return { ports, hasCertificates: certificates !== undefined };
  }

  /** What the server sees of this viewer's attempts, as it happens. */
  @Sse('wire')
  look(@Query('viewer') viewer: unknown): Observable<MessageEvent> {
    if (typeof viewer !== 'string' || !VIEWER.test(viewer)) throw new BadRequestException();
    return this.wire.events.pipe(
      filter(({ attempt }) => attempt.startsWith(`${viewer}.`)),
      map((data) => ({ data })),
    );
  }

  /** An access token of the session; one that has expired already, when it lives for less than nothing. */
  @Post('token')
  @UseGuards(WsAuthHttpGuard)
  token(
    @WsPrincipal() { id, roles }: Principal,
    @WsSession() session: Session | undefined,
    @Body() body: { lifeSeconds?: unknown } | undefined,
    @Res({ passthrough: true }) response: Response,
  ) {
    const lifeSeconds = body?.lifeSeconds ?? 300;
    if (typeof lifeSeconds !== 'number' || !(Math.abs(lifeSeconds) <= 900)) throw new BadRequestException();
    response.setHeader('Cache-Control', 'no-store');
    const now = Math.floor(Date.now() / 1_000);
    const iat = Math.min(now, now + lifeSeconds - 60);
    const claims = { roles, sid: session?.id, iat: lifeSeconds > 0 ? now : iat, exp: now + lifeSeconds };
    return {
      token: this.jwt.sign(claims, { subject: id, issuer: ISSUER, audience: AUDIENCE, jwtid: randomUUID() }),
    };
  }

  /** Connects as a machine would, from this process. */
  @Post('machine')
  @HttpCode(200)
  async connect(@Body() body: { way?: unknown; isSpoilt?: unknown; attempt?: unknown }): Promise<MachineRun> {
    const way = MACHINE_WAYS.find((known): known is MachineWay => known === body?.way);
    const attempt = body?.attempt;
    if (!way || typeof attempt !== 'string' || !ATTEMPT.test(attempt)) throw new BadRequestException();
    if (way === 'certificate' && !this.settings.certificates)
      throw new ServiceUnavailableException('there is no openssl on the PATH of the server');
    return this.machine.connect(way, body.isSpoilt === true, attempt);
  }

  /** Logs in a second time, as on a phone, and ends a session from there. */
  @Post('elsewhere')
  @HttpCode(200)
  @UseGuards(WsAuthHttpGuard)
  async endFromElsewhere(@WsPrincipal('id') id: string, @Body() body: { ref?: unknown }) {
    if (typeof body?.ref !== 'string' || !/^[0-9a-f]{32}$/.test(body.ref)) throw new BadRequestException();
    return endFromElsewhere(otherSite(this.settings.ports), id, body.ref);
  }

  /** Takes the cookie of the other site away again, so that the experiment can be repeated. */
  @Post('forget-cookie')
  @HttpCode(204)
  forgetCookie(@Req() request: Request, @Res({ passthrough: true }) response: Response): void {
    response.setHeader('Access-Control-Allow-Origin', pageOrigin(this.settings.ports));
    response.setHeader('Access-Control-Allow-Credentials', 'true');
    response.setHeader('Set-Cookie', this.cookie.clear(request));
  }
}
