import { Controller, Delete, Get, Header, UseGuards } from '@nestjs/common';
import {
  type Principal,
  type Session,
  WsAuthHttpGuard,
  WsPrincipal,
  WsSession,
  WsSessionService,
} from 'nestjs-ws-auth';

/** What the ready-made endpoints leave to the application: who the caller is, and to end all sessions but this one. */
@UseGuards(WsAuthHttpGuard)
@Controller()
export class SessionsController {
  readonly #sessions: WsSessionService;

  constructor(sessions: WsSessionService) {
    this.#sessions = sessions;
  }

  @Get('me')
  @Header('Cache-Control', 'no-store')
  me(@WsPrincipal() { id, roles }: Principal) {
    return { id, roles };
  }

  @Delete('sessions/others')
  endOthers(@WsPrincipal('id') user: string, @WsSession() session: Session) {
    return this.#sessions.revoke({ user, except: session.id, reason: 'ended_by_user' });
  }
}
