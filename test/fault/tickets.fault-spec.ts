import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdmissionResult } from '../../lib/core/session/connection-registry.js';
import { CoreNode } from '../support/core-node.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const TICKETS = 500;
const TICKETS_OF_A_SESSION = 20;
/** Tickets under way at a time: this one process is both nodes, and a command has 300 ms. */
const WAVE = 25;

describe('tickets on two nodes', () => {
  let server: RedisServer;
  let nodes: [CoreNode, CoreNode];
  beforeAll(async () => {
    server = await startRedis();
    const init = { port: server.port };
    nodes = [await CoreNode.start(init), await CoreNode.start(init)];
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await server.stop();
  });

  it('are admitted once each when both are shown them at once (TK-02)', async () => {
    const tickets: string[] = [];
    for (let user = 0; user < TICKETS / TICKETS_OF_A_SESSION; user += 1) {
      const { session } = await nodes[0].sessions.create({ userId: `user-${user}` });
      for (let index = 0; index < TICKETS_OF_A_SESSION; index += 1) {
        tickets.push((await nodes[index % 2]!.tickets.issue({ session: session.id })).ticket);
      }
    }
    const results: AdmissionResult[][] = [];
    for (let start = 0; start < TICKETS; start += WAVE) {
      const wave = tickets
        .slice(start, start + WAVE)
        .map((ticket) => Promise.all(nodes.map((node) => node.admitTicket(ticket))));
      results.push(...(await Promise.all(wave)));
    }
    const admittedOnce = results.filter(
      (pair) => pair.filter(({ outcome }) => outcome === 'admitted').length === 1,
    );
    const replays = results.flat().filter((result) => result.outcome === 'ticket_unknown' && result.replayed);
    console.log(
      `${tickets.length} tickets on 2 nodes at once: ${admittedOnce.length} admitted once, ${replays.length} replays`,
    );
    expect(tickets).toHaveLength(TICKETS);
    expect(admittedOnce).toHaveLength(TICKETS);
    expect(replays).toHaveLength(TICKETS);
  });
});
