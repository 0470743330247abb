import { Redis } from 'ioredis';
import { CoreNode } from './core-node.js';
import { startRedis } from './redis-server.js';

/** A node on a Redis of its own, with a look at what is stored there. */
export interface NodeOnRedis {
  readonly node: CoreNode;
  readonly admin: Redis;
  stop(): Promise<void>;
}

export async function startNodeOnRedis(): Promise<NodeOnRedis> {
  const server = await startRedis();
  const admin = new Redis(server.port, '127.0.0.1');
  const node = await CoreNode.start({ port: server.port });
  return {
    node,
    admin,
    stop: async () => {
      await node.stop();
      admin.disconnect();
      await server.stop();
    },
  };
}
