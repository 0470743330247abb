import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { WsAuthEvents, wsConnection, WsConnections, WsSessionService } from 'nestjs-ws-auth';
import { UserDirectory } from './user-directory.js';

/** What is needed of a socket. */
export interface Socket {
  send(text: string): void;
}

/** Events of one moment are looked into together. */
const SETTLE_MS = 100;
/** Nothing announces that a session has run out, nor what happened on another node: it is seen after so long. */
const LOOK_MS = 1_000;

const CHANGED = JSON.stringify({ event: 'changed' });

/**
 * Looks whether what the open pages show has changed: at once when the audit log of this node says that something happened,
 * and every second otherwise. Looking is no use of a session: it extends none. While no page is open nobody looks.
 */
@Injectable()
export class SessionsWatch implements OnModuleInit, OnApplicationShutdown {
  readonly #sessions: WsSessionService;
  readonly #connections: WsConnections;
  readonly #events: WsAuthEvents;
  readonly #users: UserDirectory;
  readonly #logger = new Logger(SessionsWatch.name);
  readonly #sockets = new Set<Socket>();
  /** What was last seen of each user. */
  readonly #seen = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;
  /** The moment of the next look, Unix ms; 0 while one is going on. */
  #nextAt = Infinity;
  #isAskedAgain = false;

  constructor(
    sessions: WsSessionService,
    connections: WsConnections,
    events: WsAuthEvents,
    users: UserDirectory,
  ) {
    this.#sessions = sessions;
    this.#connections = connections;
    this.#events = events;
    this.#users = users;
  }

  onModuleInit(): void {
    this.#unsubscribe = this.#events.subscribe(({ outcome }) => {
      if (outcome !== 'refused') this.#lookWithin(SETTLE_MS);
    });
  }

  onApplicationShutdown(): void {
    this.#unsubscribe?.();
    this.#sockets.clear();
    clearTimeout(this.#timer);
  }

  add(socket: Socket): void {
    this.#sockets.add(socket);
    this.#lookWithin(SETTLE_MS);
  }

  remove(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  #lookWithin(ms: number): void {
    if (this.#sockets.size === 0) return;
    if (this.#nextAt === 0) this.#isAskedAgain = true;
    if (this.#nextAt <= Date.now() + ms) return;
    clearTimeout(this.#timer);
    this.#nextAt = Date.now() + ms;
    this.#timer = setTimeout(() => void this.#look(), ms);
  }

  async #look(): Promise<void> {
    this.#nextAt = 0;
    this.#isAskedAgain = false;
    try {
      this.#tell(await this.#findChanged());
    } catch (error) {
      // The store is away: the next look finds what has changed meanwhile.
      this.#logger.warn(error instanceof Error ? error.message : error);
    }
    this.#nextAt = Infinity;
    this.#lookWithin(this.#isAskedAgain ? SETTLE_MS : LOOK_MS);
  }

  async #findChanged(): Promise<ReadonlySet<string>> {
    const changed = new Set<string>();
    await Promise.all(
      this.#users.all().map(async ({ id }) => {
        const [sessions, places] = await Promise.all([
          this.#sessions.list(id),
          this.#connections.onAllNodes(id),
        ]);
        // Not when they were used: a page that asks uses its own, and would never come to rest.
        const seen = [
          ...sessions.map((session) => `${session.id} ${session.version}`),
          ...places.map((place) => place.id),
        ];
        const text = seen.join('\n');
        if (this.#seen.get(id) !== text) changed.add(id);
        this.#seen.set(id, text);
      }),
    );
    return changed;
  }

  /** Everybody hears of their own sessions, an admin of all: by the roles that the connection has now. */
  #tell(changed: ReadonlySet<string>): void {
    if (changed.size === 0) return;
    for (const socket of this.#sockets) {
      const { principal } = wsConnection(socket);
      if (changed.has(principal.id) || principal.roles.includes('admin')) socket.send(CHANGED);
    }
  }
}
