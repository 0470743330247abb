import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseTicket } from '../../lib/core/identifiers.js';
import { CoreNode } from '../support/core-node.js';
import { RevocationRun } from '../support/redis-revocation-run.js';
import { startSentinel, type RedisSentinel, type ReplicatedServer } from '../support/redis-sentinel.js';
import { answered } from '../support/redis-server.js';

const USERS = 500;
/** With one that is not used, as many as a session may have outstanding. */
const TICKETS = 19;

describe('a failover by Sentinel', () => {
  let sentinel: RedisSentinel;
  let nodes: [CoreNode, CoreNode];
  beforeEach(async () => {
    sentinel = await startSentinel();
    nodes = [await CoreNode.startOn(sentinel.option), await CoreNode.startOn(sentinel.option)];
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await sentinel.stop();
  });

  /** Does something to the master while revocations go on, until there is another master, and a little longer. */
  async function revokeThroughFailover(
    run: RevocationRun,
    harm: (master: ReplicatedServer) => void,
  ): Promise<{ told: string; takenAfter: number }> {
    const old = await sentinel.master();
    return run.throughFailover(
      () => harm(old),
      async () => void (await sentinel.failedOver(old)),
    );
  }

  it('from a master that is killed loses no revocation (RD-04, SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, USERS);
    const { told, takenAfter } = await revokeThroughFailover(run, ({ server }) =>
      server.process.kill('SIGKILL'),
    );
    const lost = await run.lost();
    const harmed = await run.harmed();
    console.log(`Sentinel, master SIGKILL: ${told}; ${lost} lost, ${harmed} others harmed`);
    expect(run.revoked).toBeGreaterThan(100);
    expect(takenAfter).toBeGreaterThan(0);
    expect(run.refused.length).toBeGreaterThan(0);
    expect({ lost, harmed }).toEqual({ lost: 0, harmed: 0 });
  });

  it('from a master that is frozen, and wakes as a master, loses no revocation (RD-04, SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, USERS);
    let frozen: ReplicatedServer | undefined;
    const { told, takenAfter } = await revokeThroughFailover(run, (master) => {
      frozen = master;
      master.server.process.kill('SIGSTOP');
    });
    frozen!.server.process.kill('SIGCONT');
    const lost = await run.lost();
    const harmed = await run.harmed();
    console.log(`Sentinel, master SIGSTOP: ${told}; ${lost} lost, ${harmed} others harmed`);
    expect(run.revoked).toBeGreaterThan(100);
    expect(takenAfter).toBeGreaterThan(0);
    expect(run.refused.length).toBeGreaterThan(0);
    expect({ lost, harmed }).toEqual({ lost: 0, harmed: 0 });
  });

  it('that loses the last writes leaves no revoked session alive, and honours no ticket that was used (RD-04, TK-02)', async () => {
    const run = await RevocationRun.prepare(nodes, 40);
    const { session } = await nodes[0].sessions.create({ userId: 'ada' });
    const tickets: string[] = [];
    for (let index = 0; index < TICKETS; index += 1)
      tickets.push((await nodes[0].tickets.issue({ session: session.id })).ticket);
    const unused = (await nodes[0].tickets.issue({ session: session.id })).ticket;
    const old = await sentinel.master();
    await sentinel.replicated(old);

    // The replicas are cut off, and do not notice: what the master does now, nobody else will know.
    const replicas = sentinel.servers.filter((server) => server !== old);
    for (const { server } of replicas) server.process.kill('SIGSTOP');
    await old.admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
    const used = await Promise.all(tickets.map((ticket) => nodes[0].admitTicket(ticket)));
    const taken = await Promise.all(run.users.slice(0, 20).map((user) => run.revoke(user)));
    old.server.process.kill('SIGKILL');
    for (const { server } of replicas) server.process.kill('SIGCONT');
    const promoted = await sentinel.failedOver(old);

    const isForgotten = async (ticket: string): Promise<boolean> => {
      const key = `ws:{0}:t:${parseTicket(ticket)!.hash}`;
      return (
        (await promoted.admin.hget(key, 'us')) === 'connect' && !(await promoted.admin.hexists(key, 'sp'))
      );
    };
    const forgotten = (await Promise.all(tickets.map(isForgotten))).filter(Boolean).length;
    const lost = await run.lost();
    const again = await Promise.all(
      [...tickets, unused].map((ticket) => answered(() => nodes[1].admitTicket(ticket))),
    );
    const accepted = again.filter(({ outcome }) => outcome === 'admitted').length;
    const harmed = await run.harmed();
    console.log(
      `Sentinel, unreplicated tail: ${forgotten} of ${used.length} uses of tickets forgotten, ${accepted} tickets honoured again; ` +
        `${taken.filter(Boolean).length} revocations forgotten, ${lost} lost, ${harmed} others harmed`,
    );
    expect(used.every(({ outcome }) => outcome === 'admitted')).toBe(true);
    expect(taken).toEqual(Array(20).fill(true));
    expect(forgotten).toBe(used.length);
    expect(again).toEqual(again.map(() => ({ outcome: 'ticket_unknown', replayed: false })));
    expect({ accepted, lost, harmed }).toEqual({ accepted: 0, lost: 0, harmed: 0 });
    const { ticket } = await answered(() => nodes[0].tickets.issue({ session: session.id }));
    expect((await answered(() => nodes[1].admitTicket(ticket))).outcome).toBe('admitted');
  });
});
