import { hkdfSync, randomBytes } from 'node:crypto';

/** What the environment says about this sample. */
export interface Settings {
  readonly port: number;
  readonly origins: string[];
  /** Signs the access tokens. */
  readonly jwtSecret: string;
  /** The module's own secret: derived, so that one thing is to be kept. */
  readonly secret: Buffer;
  /** Where sessions and tickets are kept; without it, in the memory of the process. */
  readonly redis: string | undefined;
}

export const ISSUER = 'nestjs-ws-auth-quick-start';
export const AUDIENCE = 'chat';

/** Reads PORT, ORIGINS, JWT_SECRET and REDIS_URL. A random JWT_SECRET ends every login at a restart, which suits a demo. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const port = Number(env.PORT ?? 3000);
  const jwtSecret = env.JWT_SECRET ?? randomBytes(48).toString('base64url');
  const origins = env.ORIGINS?.split(',').map((origin) => origin.trim());
  return {
    port,
    origins: origins ?? [`http://localhost:${port}`, `http://127.0.0.1:${port}`],
    jwtSecret,
    secret: Buffer.from(hkdfSync('sha256', jwtSecret, '', 'nestjs-ws-auth quick start', 32)),
    redis: env.REDIS_URL || undefined,
  };
}
