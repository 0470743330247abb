import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.js';
import {
  answered,
  onFreePorts,
  startRedis,
  startServer,
  stopServer,
  type RedisServer,
} from './redis-server.js';

const HOST = '127.0.0.1';
const NAME = 'main';
const REPLICAS = 2;
const SENTINELS = 3;
/** How long a machine that has other things to do may take. */
const PATIENCE_MS = 60_000;

/** One of the servers, and a plain connection to it for looking and for orders of the test's own. */
export interface ReplicatedServer {
  readonly port: number;
  readonly server: RedisServer;
  readonly admin: Redis;
}

/** A master with two replicas, watched by three sentinels, on loopback. */
export interface RedisSentinel {
  /** The `redis` option for it. */
  readonly option: { readonly sentinels: readonly { host: string; port: number }[]; readonly name: string };
  /** The first master first. */
  readonly servers: readonly ReplicatedServer[];
  /** The server that the sentinels name. */
  master(): Promise<ReplicatedServer>;
  /** Resolves when all that a master was told is with its replicas. */
  replicated(master: ReplicatedServer): Promise<void>;
  /** Resolves when the sentinels name another master than this one, and it serves as one. */
  failedOver(from: ReplicatedServer): Promise<ReplicatedServer>;
  /** An order to a sentinel. */
  command(...args: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts them all. A master that is silent for a second is taken for dead. */
export async function startSentinel(): Promise<RedisSentinel> {
  const first = await startReplicated();
  const replicas = await Promise.all(
    Array.from({ length: REPLICAS }, () => startReplicated('--replicaof', `${HOST} ${first.port}`)),
  );
  const servers = [first, ...replicas];
  await eventually(async () => {
    const [, , attached] = (await answered(() => first.admin.call('ROLE'))) as [string, number, unknown[]];
    return attached.length === REPLICAS;
  }, PATIENCE_MS);
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, () => onFreePorts(1, ([port]) => startSentinelOn(port!, first.port))),
  );
  await Promise.all(sentinels.map(knowsAll));
  const ask = (...args: string[]): Promise<unknown> =>
    answered(() => sentinels[0]!.admin.call('SENTINEL', ...args));
  const master = async (): Promise<ReplicatedServer> => {
    const [, port] = (await ask('GET-MASTER-ADDR-BY-NAME', NAME)) as [string, string];
    return servers.find((server) => server.port === Number(port))!;
  };
  return {
    option: { sentinels: sentinels.map(({ port }) => ({ host: HOST, port })), name: NAME },
    servers,
    master,
    replicated: ({ admin }) =>
      eventually(
        async () => (await answered(() => admin.call('WAIT', REPLICAS, 500))) === REPLICAS,
        PATIENCE_MS,
      ),
    failedOver: async (from) => {
      await eventually(async () => {
        const now = await master();
        if (now === from) return false;
        const [role] = (await answered(() => now.admin.call('ROLE'))) as [string];
        return role === 'master';
      }, PATIENCE_MS);
      return master();
    },
    command: (...args) => ask(...args),
    stop: async () => {
      await Promise.all(sentinels.map((sentinel) => sentinel.stop()));
      for (const { admin } of servers) admin.disconnect();
      await Promise.all(servers.map(({ server }) => server.stop()));
    },
  };
}

async function startReplicated(...args: string[]): Promise<ReplicatedServer> {
  const server = await startRedis('--repl-diskless-sync-delay', '0', ...args);
  const { port } = server;
  return { port, server, admin: connectAdmin(port) };
}

interface SentinelProcess {
  readonly port: number;
  readonly admin: Redis;
  stop(): Promise<void>;
}

async function startSentinelOn(port: number, masterPort: number): Promise<SentinelProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    `bind ${HOST}`,
    `dir ${folder}`,
    `sentinel monitor ${NAME} ${HOST} ${masterPort} 2`,
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 3000`,
    `sentinel parallel-syncs ${NAME} 2`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  try {
    const child = await startServer([file, '--sentinel'], '+monitor master');
    const admin = connectAdmin(port);
    return {
      port,
      admin,
      stop: () => {
        admin.disconnect();
        return stopServer(child, folder);
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** A sentinel finds the others, and the replicas, through the master; before that it cannot fail over. */
async function knowsAll({ admin }: SentinelProcess): Promise<void> {
  await eventually(async () => {
    const list = (await answered(() => admin.call('SENTINEL', 'MASTER', NAME))) as
      string[] | Record<string, string>;
    const fields = Array.isArray(list) ? pairsOf(list) : new Map(Object.entries(list));
    return (
      fields.get('num-slaves') === `${REPLICAS}` && fields.get('num-other-sentinels') === `${SENTINELS - 1}`
    );
  }, PATIENCE_MS);
}

function pairsOf(list: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < list.length; index += 2) fields.set(list[index]!, list[index + 1]!);
  return fields;
}

function connectAdmin(port: number): Redis {
  const admin = new Redis({
    port,
    host: HOST,
    commandTimeout: 1_000,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
  });
  admin.on('error', () => {});
  return admin;
}
