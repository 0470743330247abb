import { randomBytes } from 'node:crypto';

/** What the environment says about this sample. */
export interface Settings {
  readonly port: number;
  /** The same for all nodes on one Redis. */
  readonly secret: string;
  /** Where sessions are kept; without it, in the memory of the process. */
  readonly redis: string | undefined;
}

/** Reads PORT, SECRET and REDIS_URL. A random SECRET ends every login at a restart, which suits a demo. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  return {
    port: Number(env.PORT ?? 3004),
    secret: env.SECRET ?? randomBytes(48).toString('base64url'),
    redis: env.REDIS_URL || undefined,
  };
}

/** The page that may connect: this server's own, under both names of this machine. */
export function originsOf({ port }: Settings): string[] {
  return [`http://localhost:${port}`, `http://127.0.0.1:${port}`];
}
