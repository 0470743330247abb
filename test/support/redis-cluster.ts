import { Redis } from 'ioredis';
import { eventually } from './eventually.js';
import { startRedis, type RedisServer } from './redis-server.js';
import { freePort } from './free-port.js';

const SLOTS = 16_384;
const HOST = '127.0.0.1';

/** A server of a cluster, and a plain connection to it for looking and for orders of the test's own. */
export interface ClusterNode {
  readonly port: number;
  readonly id: string;
  readonly server: RedisServer;
  readonly admin: Redis;
}

/** Three masters, each with a replica, on loopback. */
export interface RedisCluster {
  /** The masters first. */
  readonly nodes: readonly ClusterNode[];
  /** Where a client may begin. */
  readonly startupNodes: readonly { host: string; port: number }[];
  /** The nodes that are masters now, of those that answer. */
  masters(): Promise<ClusterNode[]>;
  /** The master that holds a key now. */
  masterOf(key: string): Promise<ClusterNode>;
  /** Resolves when every slot is served by a living master, and every living node says so. */
  healed(withinMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a cluster that takes a master for dead after `nodeTimeoutMs`, and serves what it has without the rest. */
export async function startCluster({ nodeTimeoutMs = 1_000 } = {}): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: 6 }, () => startNode(nodeTimeoutMs)));
  const [masters, replicas] = [nodes.slice(0, 3), nodes.slice(3)];
  await Promise.all(nodes.map(({ admin }, index) => admin.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)));
  await Promise.all(
    masters.map(({ admin }, index) => {
      const first = Math.ceil((index * SLOTS) / masters.length);
      const last = Math.ceil(((index + 1) * SLOTS) / masters.length) - 1;
      return admin.call('CLUSTER', 'ADDSLOTSRANGE', first, last);
    }),
  );
  for (const { port, server } of nodes.slice(1))
    await nodes[0]!.admin.call('CLUSTER', 'MEET', HOST, port, busPorts.get(server)!);
  await eventually(async () => {
    const known = await Promise.all(nodes.map(async ({ admin }) => infoOf(await clusterInfo(admin))));
    return known.every((info) => info.get('cluster_known_nodes') === `${nodes.length}`);
  }, 20_000);
  await Promise.all(replicas.map(({ admin }, index) => replicate(admin, masters[index]!.id)));
  const cluster = makeCluster(nodes);
  await cluster.healed(20_000);
  return cluster;
}

const busPorts = new WeakMap<RedisServer, number>();

async function startNode(nodeTimeoutMs: number): Promise<ClusterNode> {
  // A port of its own for the bus: the usual one, 10,000 above the other, may be taken or not exist.
  const busPort = await freePort();
  const server = await startRedis(
    '--cluster-enabled',
    'yes',
    '--cluster-port',
    `${busPort}`,
    '--cluster-node-timeout',
    `${nodeTimeoutMs}`,
    '--cluster-require-full-coverage',
    'no',
    '--cluster-replica-validity-factor',
    '0',
    '--repl-diskless-sync-delay',
    '0',
  );
  busPorts.set(server, busPort);
  const admin = new Redis({ port: server.port, host: HOST, commandTimeout: 1_000, maxRetriesPerRequest: 0 });
  admin.on('error', () => {});
  return { port: server.port, id: String(await admin.call('CLUSTER', 'MYID')), server, admin };
}

/** A node that has not heard of the other as a master yet refuses at first. */
async function replicate(replica: Redis, masterId: string): Promise<void> {
  await eventually(async () => {
    try {
      return (await replica.call('CLUSTER', 'REPLICATE', masterId)) === 'OK';
    } catch {
      return false;
    }
  }, 10_000);
}

function makeCluster(nodes: readonly ClusterNode[]): RedisCluster {
  const isMaster = async ({ admin }: ClusterNode): Promise<boolean> => {
    try {
      const [role] = (await admin.call('ROLE')) as [string];
      return role === 'master' && infoOf(await clusterInfo(admin)).get('cluster_state') === 'ok';
    } catch {
      return false;
    }
  };
  const living = (): ClusterNode[] => nodes.filter(({ server }) => isAlive(server));
  const masters = async (): Promise<ClusterNode[]> => {
    const found = await Promise.all(living().map(isMaster));
    return living().filter((_, index) => found[index]);
  };
  return {
    nodes,
    startupNodes: nodes.map(({ port }) => ({ host: HOST, port })),
    masters,
    masterOf: async (key) => {
      const { admin } = living()[0]!;
      const slot = Number(await admin.call('CLUSTER', 'KEYSLOT', key));
      const ranges = (await admin.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
      const [, , [, port]] = ranges.find(([first, last]) => first <= slot && slot <= last)!;
      return nodes.find((node) => node.port === port)!;
    },
    healed: async (withinMs = 15_000) => {
      await eventually(async () => (await Promise.all(living().map(seesAll))).every(Boolean), withinMs);
    },
    stop: async () => {
      for (const { admin } of nodes) admin.disconnect();
      await Promise.all(nodes.map(({ server }) => server.stop()));
    },
  };
}

/** True when a node sees all slots served, by masters of which none has failed, and its own replication stands. */
async function seesAll({ admin }: ClusterNode): Promise<boolean> {
  try {
    const info = infoOf(await clusterInfo(admin));
    const lines = String(await admin.call('CLUSTER', 'NODES'))
      .trim()
      .split('\n');
    const serving = lines.filter((line) => /\bmaster\b/.test(line) && !/\bfail\b|fail\?|noaddr/.test(line));
    const slots = serving.flatMap((line) => line.split(' ').slice(8)).filter((range) => /^\d/.test(range));
    const covered = slots.reduce((sum, range) => {
      const [first, last = first] = range.split('-').map(Number);
      return sum + (last! - first!) + 1;
    }, 0);
    const [role, , , link] = (await admin.call('ROLE')) as [string, unknown, unknown, string];
    return (
      info.get('cluster_state') === 'ok' && covered === SLOTS && (role !== 'slave' || link === 'connected')
    );
  } catch {
    return false;
  }
}

function isAlive({ process: { exitCode, signalCode } }: RedisServer): boolean {
  return exitCode === null && signalCode === null;
}

async function clusterInfo(admin: Redis): Promise<string> {
  return String(await admin.call('CLUSTER', 'INFO'));
}

function infoOf(text: string): ReadonlyMap<string, string> {
  return new Map(text.split(/\r?\n/).map((line) => line.split(':') as [string, string]));
}
