import { userHashOfSession } from '../core/identifiers.js';
import type { LiveSession, Session } from '../core/session/session.js';
import type { SessionCreateResult, SessionStore } from '../core/session/session-store.js';
import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisScript } from './redis-script.js';
import { SESSION_CREATE, SESSION_LIST, SESSION_READ } from './redis-scripts.js';
import { readLiveSession, writeNames } from './session-fields.js';

const CREATE = new RedisScript(SESSION_CREATE);
const READ = new RedisScript(SESSION_READ);
const LIST = new RedisScript(SESSION_LIST);

/** Sessions that are read in one script: more would keep other clients of the server waiting. */
const MAX_READ = 500;

/** Sessions in Redis. */
export class RedisSessionStore implements SessionStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async create(draft: Session, absoluteMs: number, maxPerUser: number): Promise<SessionCreateResult> {
    const prefix = this.#prefixOf(draft.id);
    const userHash = userHashOfSession(draft.id);
    const keys = [
      `${prefix}s:${draft.id}`,
      `${prefix}u:${userHash}`,
      `${prefix}ue:${userHash}`,
      `${prefix}ae`,
    ];
    const reply = asList(
      await CREATE.run(this.#redis.commands, keys, [
        draft.id,
        draft.userId,
        writeNames(draft.roles),
        writeNames(draft.scopes),
        draft.tenant ?? '',
        draft.data === undefined ? '' : `=${draft.data}`,
        Math.ceil(draft.idleMs),
        Math.ceil(absoluteMs),
        Math.trunc(draft.authenticatedAt),
        maxPerUser,
        `${prefix}s:`,
      ]),
    ).map(asText);
    const [outcome, createdAt, authenticatedAt, absoluteEndsAt] = reply;
    if (outcome !== 'created') return { outcome: outcome === 'too_many' ? 'too_many' : 'stale' };
    const session = Object.freeze({
      ...draft,
      createdAt: Number(createdAt),
      authenticatedAt: Number(authenticatedAt),
      authTime: Number(authenticatedAt),
      absoluteEndsAt: Number(absoluteEndsAt),
    });
    return { outcome: 'created', session };
  }

  async get(ids: readonly string[]): Promise<readonly (LiveSession | null)[]> {
    return this.#read(ids, false);
  }

  async touch(ids: readonly string[]): Promise<readonly (number | null)[]> {
    const sessions = await this.#read(ids, true);
    return sessions.map((session) => session?.remainingMs ?? null);
  }

  async list(userHash: string): Promise<readonly LiveSession[]> {
    const prefix = this.#redis.prefixOf(userHash);
    const keys = [`${prefix}u:${userHash}`, `${prefix}ue:${userHash}`, `${prefix}ae`];
    const rows = asList(await LIST.run(this.#redis.commands, keys, [`${prefix}s:`]));
    return rows.map((row) => {
      const [id, fields, left] = asList(row);
      return readLiveSession(asText(id), fields, left)!;
    });
  }

  /** One script for each partition and 500 sessions; the answers in the order of the questions. */
  async #read(ids: readonly string[], touch: boolean): Promise<readonly (LiveSession | null)[]> {
    const found = new Map<string, LiveSession>();
    const slices = [...this.#byPartition(ids)].flatMap(([prefix, group]) =>
      slicesOf(group, MAX_READ).map((slice) => ({ prefix, slice })),
    );
    await Promise.all(
      slices.map(async ({ prefix, slice }) => {
        const keys = slice.flatMap((id) => [`${prefix}s:${id}`, `${prefix}ue:${userHashOfSession(id)}`]);
        const rows = asList(
          await READ.run(this.#redis.commands, [`${prefix}ae`, ...keys], [touch ? '1' : '0']),
        );
        rows.forEach((row, index) => {
          const [fields, left] = asList(row);
          const session = fields === undefined ? undefined : readLiveSession(slice[index]!, fields, left);
          if (session) found.set(session.id, session);
        });
      }),
    );
    return ids.map((id) => found.get(id) ?? null);
  }

  #byPartition(ids: readonly string[]): Map<string, string[]> {
    const groups = new Map<string, string[]>();
    for (const id of new Set(ids)) {
      const prefix = this.#prefixOf(id);
      const group = groups.get(prefix);
      if (group) group.push(id);
      else groups.set(prefix, [id]);
    }
    return groups;
  }

  #prefixOf(sessionId: string): string {
    return this.#redis.prefixOf(userHashOfSession(sessionId));
  }
}

function slicesOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
