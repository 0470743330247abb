import { Redis } from 'ioredis';
import { eventually } from './eventually.js';
import { answered, onFreePorts, startRedis, type RedisServer } from './redis-server.js';

const SLOTS = 16_384;
const HOST = '127.0.0.1';
/** How long a machine that has other things to do may take. */
const PATIENCE_MS = 60_000;

/** A server of a cluster, and a plain connection to it for looking and for orders of the test's own. */
export interface ClusterNode {
  readonly port: number;
  readonly busPort: number;
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
  /** The replica of a master. */
  replicaOf(master: ClusterNode): Promise<ClusterNode>;
  /** Resolves when all that a master was told is with its replica. */
  replicated(master: ClusterNode): Promise<void>;
  /** Resolves when three others than this one are masters. */
  failedOver(from: ClusterNode): Promise<void>;
  /** The master that holds a key now. */
  masterOf(key: string): Promise<ClusterNode>;
  /** Resolves when every slot is served by a living master, and every living node says so. */
  healed(): Promise<void>;
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
  for (const { port, busPort } of nodes.slice(1))
    await nodes[0]!.admin.call('CLUSTER', 'MEET', HOST, port, busPort);
  await eventually(async () => {
    const known = await Promise.all(
      nodes.map(async ({ admin }) => infoOf(await answered(() => clusterInfo(admin)))),
    );
    return known.every((info) => info.get('cluster_known_nodes') === `${nodes.length}`);
  }, PATIENCE_MS);
  // A node that has not heard of the other as a master yet refuses at first.
  await Promise.all(
    replicas.map(({ admin }, index) =>
      answered(() => admin.call('CLUSTER', 'REPLICATE', masters[index]!.id), PATIENCE_MS),
    ),
  );
  const cluster = makeCluster(nodes);
  await cluster.healed();
  return cluster;
}

function startNode(nodeTimeoutMs: number): Promise<ClusterNode> {
  // A port of its own for the bus: the usual one, 10,000 above the other, may be taken or not exist.
  return onFreePorts(2, async ([port, busPort]) => {
    const options = {
      port: port!,
      'cluster-enabled': 'yes',
      'cluster-port': busPort!,
      'cluster-node-timeout': nodeTimeoutMs,
      'cluster-require-full-coverage': 'no',
      'cluster-replica-validity-factor': 0,
      'repl-diskless-sync-delay': 0,
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const server = await startRedis(...args);
    const admin = new Redis({ port: port!, host: HOST, commandTimeout: 1_000, maxRetriesPerRequest: 0 });
    admin.on('error', () => {});
    const id = String(await answered(() => admin.call('CLUSTER', 'MYID')));
    return { port: port!, busPort: busPort!, id, server, admin };
  });
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
    replicaOf: async (master) => {
      const lines = String(await answered(() => master.admin.call('CLUSTER', 'REPLICAS', master.id)));
      return nodes.find((node) => node !== master && lines.includes(node.id))!;
    },
    replicated: ({ admin }) =>
      eventually(async () => (await answered(() => admin.call('WAIT', 1, 500))) === 1, PATIENCE_MS),
    failedOver: (from) =>
      eventually(async () => {
        const now = await masters();
        return now.length === 3 && !now.includes(from);
      }, PATIENCE_MS),
    masterOf: async (key) => {
      const { admin } = living()[0]!;
      const slot = Number(await answered(() => admin.call('CLUSTER', 'KEYSLOT', key)));
      const ranges = (await answered(() => admin.call('CLUSTER', 'SLOTS'))) as [
        number,
        number,
        [string, number],
      ][];
      const [, , [, port]] = ranges.find(([first, last]) => first <= slot && slot <= last)!;
      return nodes.find((node) => node.port === port)!;
    },
    healed: () =>
      eventually(async () => (await Promise.all(living().map(seesAll))).every(Boolean), PATIENCE_MS),
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

/** Not asked again: a node that does not answer is one that has died, or sleeps. */
async function clusterInfo(admin: Redis): Promise<string> {
  return String(await admin.call('CLUSTER', 'INFO'));
}

function infoOf(text: string): ReadonlyMap<string, string> {
  return new Map(text.split(/\r?\n/).map((line) => line.split(':') as [string, string]));
}
