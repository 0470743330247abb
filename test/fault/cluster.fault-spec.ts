import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreNode } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startCluster, type ClusterNode, type RedisCluster } from '../support/redis-cluster.js';
import { answered } from '../support/redis-server.js';
import { RevocationRun } from '../support/redis-revocation-run.js';

const USERS = 500;
/** Between two rounds of questions. */
const ASK_MS = 20;

describe('a cluster', () => {
  let cluster: RedisCluster;
  let nodes: [CoreNode, CoreNode];
  beforeEach(async () => {
    cluster = await startCluster();
    const option = { cluster: cluster.startupNodes };
    nodes = [await CoreNode.startOn(option), await CoreNode.startOn(option)];
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await cluster.stop();
  });

  const logOf = (userId: string): string =>
    `ws:{${nodes[0].stores.revocations.partitionOf(nodes[0].hashOf(userId))}}:log`;

  /** The users whose keys a server holds. */
  async function usersOn(run: RevocationRun, server: ClusterNode): Promise<Set<string>> {
    const logs = [...new Set(run.users.map(({ id }) => logOf(id)))];
    const masters = await Promise.all(logs.map((log) => cluster.masterOf(log)));
    const theirs = new Set(logs.filter((_, index) => masters[index] === server));
    return new Set(run.users.map(({ id }) => id).filter((id) => theirs.has(logOf(id))));
  }

  /** Does something to a master while revocations go on, until another has taken its place, and a little longer. */
  async function revokeThroughFailover(
    run: RevocationRun,
    harm: (master: ClusterNode) => void,
  ): Promise<{ told: string; takenAfter: number; theirs: Set<string>; unanswered: Unanswered }> {
    const [old] = await cluster.masters();
    const theirs = await usersOn(run, old!);
    let isOver = false;
    const asking = askWhile(() => !isOver, run, theirs);
    const revoking = run.throughFailover(
      () => harm(old!),
      () => cluster.failedOver(old!),
    );
    const result = await revoking.finally(() => {
      isOver = true;
    });
    return { ...result, theirs, unanswered: await asking };
  }

  /** Asks about users of the server that is harmed, and as many others, all the time. */
  async function askWhile(
    isOn: () => boolean,
    run: RevocationRun,
    theirs: ReadonlySet<string>,
  ): Promise<Unanswered> {
    const unanswered = { theirs: 0, elsewhere: 0, asked: 0 };
    const ask = async (id: string): Promise<void> => {
      unanswered.asked += 1;
      try {
        await nodes[1].stores.connections.countOf(nodes[1].hashOf(id));
      } catch {
        unanswered[theirs.has(id) ? 'theirs' : 'elsewhere'] += 1;
      }
    };
    const ids = run.users.map(({ id }) => id);
    const [some, others] = [true, false].map((isTheirs) =>
      ids.filter((id) => theirs.has(id) === isTheirs).slice(-10),
    );
    while (isOn()) {
      await Promise.all(some!.map(ask));
      await Promise.all(others!.map(ask));
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
    return unanswered;
  }

  it('whose master is killed loses no revocation, and serves the users of the others (RD-04, SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, USERS);
    const { told, takenAfter, theirs, unanswered } = await revokeThroughFailover(run, ({ server }) =>
      server.process.kill('SIGKILL'),
    );
    const lost = await run.lost();
    const harmed = await run.harmed();
    const elsewhere = run.refused.filter((id) => !theirs.has(id)).length;
    console.log(
      `Cluster, master SIGKILL: ${told}; ${lost} lost, ${harmed} others harmed; ` +
        `${elsewhere} of those kept, and ${unanswered.elsewhere} of ${unanswered.asked / 2} questions unanswered, ` +
        'were of users on other masters',
    );
    expect(run.revoked).toBeGreaterThan(100);
    expect(takenAfter).toBeGreaterThan(0);
    expect(run.refused.length).toBeGreaterThan(0);
    expect(unanswered.theirs).toBeGreaterThan(20);
    expect({ lost, harmed, elsewhere }).toEqual({ lost: 0, harmed: 0, elsewhere: 0 });
    expect(unanswered.elsewhere).toBe(0);
  });

  it('whose master is frozen, and wakes as a master, loses no revocation (RD-04, SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, USERS);
    let frozen: ClusterNode | undefined;
    const { told, takenAfter } = await revokeThroughFailover(run, (master) => {
      frozen = master;
      master.server.process.kill('SIGSTOP');
    });
    frozen!.server.process.kill('SIGCONT');
    const lost = await run.lost();
    const harmed = await run.harmed();
    console.log(`Cluster, master SIGSTOP: ${told}; ${lost} lost, ${harmed} others harmed`);
    expect(run.revoked).toBeGreaterThan(100);
    expect(takenAfter).toBeGreaterThan(0);
    expect(run.refused.length).toBeGreaterThan(0);
    expect({ lost, harmed }).toEqual({ lost: 0, harmed: 0 });
  });

  it('that loses the last writes of a master leaves no revoked session alive (RD-04, SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, 100);
    const [old] = await cluster.masters();
    const theirs = await usersOn(run, old!);
    const victims = run.users.filter(({ id }) => theirs.has(id)).slice(0, 10);
    const replica = await cluster.replicaOf(old!);
    await cluster.replicated(old!);

    // The replica is cut off, and does not notice: what its master does now, nobody else will know.
    replica.server.process.kill('SIGSTOP');
    await old!.admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
    const taken = await Promise.all(victims.map((user) => run.revoke(user)));
    old!.server.process.kill('SIGKILL');
    replica.server.process.kill('SIGCONT');
    await replica.admin.call('READONLY');
    const revived = await Promise.all(
      victims.map(({ id, sessionId }) => replica.admin.exists(logOf(id).replace(/log$/, `s:${sessionId}`))),
    );
    await cluster.failedOver(old!);
    const lost = await run.lost();
    const harmed = await run.harmed();
    console.log(
      `Cluster, unreplicated tail: ${taken.filter(Boolean).length} revocations taken, ` +
        `${revived.filter(Boolean).length} sessions alive on the new master; ${lost} lost, ${harmed} others harmed`,
    );
    expect(taken).toEqual(Array(10).fill(true));
    expect(revived).toEqual(Array(10).fill(1));
    expect({ lost, harmed }).toEqual({ lost: 0, harmed: 0 });
  });

  /** The connections that listen for revocations, over all servers. */
  async function subscribers(): Promise<number> {
    const counts = await Promise.all(
      cluster.nodes.map(({ admin }) => answered(() => admin.call('PUBSUB', 'NUMSUB', 'ws:entries'))),
    );
    return counts.reduce<number>((sum, reply) => sum + Number((reply as [string, number])[1]), 0);
  }

  it('that cuts the connections of subscribers loses no revocation (SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, USERS);
    let cut = 0;
    const cutting = (async () => {
      for (let round = 0; round < 10; round += 1) {
        await eventually(async () => (await subscribers()) === nodes.length, 20_000);
        const killed = cluster.nodes.map(({ admin }) => admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
        cut += (await Promise.all(killed)).reduce<number>((sum, count) => sum + Number(count), 0);
      }
    })();
    let isOver = false;
    const over = cutting.finally(() => {
      isOver = true;
    });
    await Promise.all([over, run.revokeWhile(() => !isOver || run.revoked < 200, 5)]);
    const lost = await run.lost();
    const harmed = await run.harmed();
    console.log(
      `Cluster, ${cut} connections of subscribers cut: ${run.revoked} revocations, ${run.taken} taken at once; ` +
        `${lost} lost, ${harmed} others harmed`,
    );
    expect(cut).toBe(10 * nodes.length);
    expect(run.taken).toBe(run.revoked);
    expect({ lost, harmed }).toEqual({ lost: 0, harmed: 0 });
  });
});

interface Unanswered {
  readonly asked: number;
  readonly theirs: number;
  readonly elsewhere: number;
}
