import {
  BadRequestException,
  Controller,
  Delete,
  Get,
  Header,
  NotFoundException,
  Param,
  Query,
  UseGuards,
} from '@nestjs/common';
import {
  type ConnectionPlace,
  type Session,
  WsAuthError,
  WsAuthHttpGuard,
  WsConnections,
  WsRoles,
  WsSession,
  WsSessionService,
} from 'nestjs-ws-auth';
import { type User, UserDirectory } from './user-directory.js';

/** Everybody's sessions, for who has the role. A session's id names it and opens nothing, so an admin may see it. */
@UseGuards(WsAuthHttpGuard)
@WsRoles('admin')
@Controller('admin')
export class AdminController {
  readonly #sessions: WsSessionService;
  readonly #connections: WsConnections;
  readonly #users: UserDirectory;

  constructor(sessions: WsSessionService, connections: WsConnections, users: UserDirectory) {
    this.#sessions = sessions;
    this.#connections = connections;
    this.#users = users;
  }

  @Get('users')
  @Header('Cache-Control', 'no-store')
  async users(@WsSession() own: Session) {
    return Promise.all(this.#users.all().map((user) => this.#view(user, own)));
  }

  /** Ends a session of whoever it is. */
  @Delete('sessions/:id')
  async endSession(@Param('id') id: string) {
    return this.#revoke({ session: id });
  }

  /** Ends all sessions of a user, or all but one. */
  @Delete('users/:user/sessions')
  async endUser(@Param('user') user: string, @Query('except') except?: string) {
    if (!this.#users.find(user)) throw new NotFoundException();
    return this.#revoke({ user, ...(except === undefined ? {} : { except }) });
  }

  async #view({ id: user, roles }: User, own: Session) {
    const [sessions, places] = await Promise.all([
      this.#sessions.list(user),
      this.#connections.onAllNodes(user),
    ]);
    return {
      id: user,
      roles,
      sessions: sessions.map(({ id, data, createdAt, lastUsedAt }) => ({
        id,
        current: id === own.id,
        data,
        createdAt,
        lastUsedAt,
        ...countPlaces(places.filter(({ sessionId }) => sessionId === id)),
      })),
    };
  }

  async #revoke(selector: { session: string } | { user: string; except?: string }) {
    try {
      return await this.#sessions.revoke({ ...selector, reason: 'ended_by_admin' });
    } catch (error) {
      if (error instanceof WsAuthError && error.code === 'invalid_selector')
        throw new BadRequestException(error.message);
      throw error;
    }
  }
}

function countPlaces(places: readonly ConnectionPlace[]): { sockets: number; nodes: number } {
  return { sockets: places.length, nodes: new Set(places.map(({ node }) => node)).size };
}
