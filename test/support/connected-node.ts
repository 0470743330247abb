import { CoreNode } from './core-node.js';

/**
 * A node as a process of its own: takes so many connections of a session, says so, and lives until it is killed or asked
 * to stop.
 */
const [port, session, count, beatMs, leaseMs] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];

async function run(): Promise<void> {
  const lease = { beatMs: Number(beatMs), leaseMs: Number(leaseMs) };
  const node = await CoreNode.start({ port: Number(port), lease });
  for (let index = 0; index < Number(count); index += 1) await node.connect(session);
  process.once('message', () => void node.stop().then(() => process.exit(0)));
  process.send!({ connected: node.alive });
}

void run();
