import { randomBytes } from 'node:crypto';

/** What the nodes share: where they listen, their Redis, and their secret. */
export interface Settings {
  readonly ports: { readonly A: number; readonly B: number };
  readonly redisUrl: string;
  /** The same on all nodes: what one has issued, the other must be able to find. */
  readonly secret: string;
}

/** One of the two. */
export interface NodeSettings extends Settings {
  readonly name: 'A' | 'B';
}

/** Reads PORT_A, PORT_B, SECRET and REDIS_URL; without the last, the caller starts a server. */
export function readSettings(env: NodeJS.ProcessEnv): Omit<Settings, 'redisUrl'> & { redisUrl?: string } {
  return {
    ports: { A: Number(env.PORT_A ?? 3001), B: Number(env.PORT_B ?? 3002) },
    redisUrl: env.REDIS_URL || undefined,
    secret: env.SECRET ?? randomBytes(48).toString('base64url'),
  };
}

/** What a node reads, which {@link writeEnvironment} has written. */
export function readNodeSettings(env: NodeJS.ProcessEnv): NodeSettings {
  const { redisUrl, ...settings } = readSettings(env);
  if (!redisUrl || !env.SECRET)
    throw new Error('a node needs REDIS_URL and SECRET: start main.js, not node.js');
  return { ...settings, redisUrl, name: env.NODE_NAME === 'B' ? 'B' : 'A' };
}

export function writeEnvironment({ name, ports, redisUrl, secret }: NodeSettings): NodeJS.ProcessEnv {
  return {
    NODE_NAME: name,
    PORT_A: String(ports.A),
    PORT_B: String(ports.B),
    REDIS_URL: redisUrl,
    SECRET: secret,
  };
}

/** The pages that may connect: those of both nodes, under both names of this machine. */
export function originsOf({ ports }: Settings): string[] {
  return hostsOf(ports).map((host) => `http://${host}`);
}

/** Where the page opens sockets, for its Content-Security-Policy. */
export function socketsOf({ ports }: Settings): string[] {
  return hostsOf(ports).map((host) => `ws://${host}`);
}

function hostsOf(ports: Settings['ports']): string[] {
  return Object.values(ports).flatMap((port) => [`localhost:${port}`, `127.0.0.1:${port}`]);
}
