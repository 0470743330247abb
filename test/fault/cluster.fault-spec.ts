import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreNode } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startCluster, type ClusterNode, type RedisCluster } from '../support/redis-cluster.js';
import { RevocationRun } from '../support/revocation-run.js';

const USERS = 500;
const PACE_MS = 20;

describe('a cluster', () => {
  let cluster: RedisCluster;
  let nodes: [CoreNode, CoreNode];
  beforeEach(async () => {
    cluster = await startCluster();
    const option = { cluster: cluster.startupNodes };
    nodes = [await CoreNode.startOn(option), await CoreNode.startOn(option)];
  }, 40_000);
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await cluster.stop();
  });

  const logOf = (userId: string): string =>
    `ws:{${nodes[0].stores.revocations.partitionOf(nodes[0].hashOf(userId))}}:log`;

  /** The users whose keys a server holds. */
  async function usersOn(run: RevocationRun, server: ClusterNode): Promise<Set<string>> {
    const on = new Set<string>();
    for (const { id } of run.users) if ((await cluster.masterOf(logOf(id))) === server) on.add(id);
    return on;
  }

  async function hasOtherMasters(than: ClusterNode): Promise<boolean> {
    const masters = await cluster.masters();
    return masters.length === 3 && !masters.includes(than);
  }

  /** Does something to a master while revocations go on, until another has taken its place. */
  async function revokeThroughFailover(
    run: RevocationRun,
    harm: (master: ClusterNode) => void,
  ): Promise<{ told: string; theirs: Set<string>; unanswered: Unanswered }> {
    const [old] = await cluster.masters();
    const theirs = await usersOn(run, old!);
    let isOver = false;
    const revoking = run.revokeWhile(() => !isOver, PACE_MS);
    const asking = askWhile(() => !isOver, run, theirs);
    await pass(500);
    harm(old!);
    const from = performance.now();
    await eventually(() => hasOtherMasters(old!), 20_000);
    const failoverMs = Math.round(performance.now() - from);
    await pass(1_500);
    isOver = true;
    const [{ taken, kept }, unanswered] = [await revoking, await asking];
    const told = `${run.revoked} revocations, ${taken} taken at once and ${kept} kept; other master after ${failoverMs} ms`;
    return { told, theirs, unanswered };
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
      await pass(PACE_MS);
    }
    return unanswered;
  }

  it('whose master is killed loses no revocation, and serves the users of the others (RD-04, SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, USERS);
    const { told, theirs, unanswered } = await revokeThroughFailover(run, ({ server }) =>
      server.process.kill('SIGKILL'),
    );
    const lost = await run.lost(10_000);
    const harmed = await run.harmed();
    const elsewhere = run.refused.filter((id) => !theirs.has(id)).length;
    console.log(
      `Cluster, master SIGKILL: ${told}; ${lost} lost, ${harmed} others harmed; ` +
        `${elsewhere} of those kept, and ${unanswered.elsewhere} of ${unanswered.asked / 2} questions unanswered, ` +
        'were of users on other masters',
    );
    expect(run.revoked).toBeGreaterThan(100);
    expect(run.refused.length).toBeGreaterThan(0);
    expect(unanswered.theirs).toBeGreaterThan(20);
    expect({ lost, harmed, elsewhere }).toEqual({ lost: 0, harmed: 0, elsewhere: 0 });
    expect(unanswered.elsewhere).toBe(0);
  });

  it('whose master is frozen, and wakes as a master, loses no revocation (RD-04, SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, USERS);
    let frozen: ClusterNode | undefined;
    const { told } = await revokeThroughFailover(run, (master) => {
      frozen = master;
      master.server.process.kill('SIGSTOP');
    });
    frozen!.server.process.kill('SIGCONT');
    const lost = await run.lost(10_000);
    const harmed = await run.harmed();
    console.log(`Cluster, master SIGSTOP: ${told}; ${lost} lost, ${harmed} others harmed`);
    expect(run.revoked).toBeGreaterThan(100);
    expect(run.refused.length).toBeGreaterThan(0);
    expect({ lost, harmed }).toEqual({ lost: 0, harmed: 0 });
  });

  it('that loses the last writes of a master leaves no revoked session alive (RD-04, SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, 100);
    const [old] = await cluster.masters();
    const theirs = await usersOn(run, old!);
    const victims = run.users.filter(({ id }) => theirs.has(id)).slice(0, 10);
    const replica = await replicaOf(cluster, old!);
    expect(await old!.admin.call('WAIT', 1, 5_000)).toBe(1);

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
    await eventually(() => hasOtherMasters(old!), 20_000);
    const lost = await run.lost(10_000);
    const harmed = await run.harmed();
    console.log(
      `Cluster, unreplicated tail: ${taken.filter(Boolean).length} revocations taken, ` +
        `${revived.filter(Boolean).length} sessions alive on the new master; ${lost} lost, ${harmed} others harmed`,
    );
    expect(taken).toEqual(Array(10).fill(true));
    expect(revived).toEqual(Array(10).fill(1));
    expect({ lost, harmed }).toEqual({ lost: 0, harmed: 0 });
  });

  it('that cuts the connections of subscribers loses no revocation (SE-04)', async () => {
    const run = await RevocationRun.prepare(nodes, USERS);
    let isOver = false;
    const revoking = run.revokeWhile(() => !isOver, PACE_MS / 4);
    let cut = 0;
    for (let round = 0; round < 10; round += 1) {
      await pass(120);
      const killed = await Promise.all(
        cluster.nodes.map(({ admin }) => admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')),
      );
      cut += killed.reduce<number>((sum, count) => sum + Number(count), 0);
    }
    isOver = true;
    const { taken, kept } = await revoking;
    const lost = await run.lost(5_000);
    const harmed = await run.harmed();
    console.log(
      `Cluster, ${cut} connections of subscribers cut: ${run.revoked} revocations, ${taken} taken, ${kept} kept; ` +
        `${lost} lost, ${harmed} others harmed`,
    );
    expect(cut).toBeGreaterThan(10);
    expect(taken).toBe(run.revoked);
    expect({ lost, harmed }).toEqual({ lost: 0, harmed: 0 });
  });
});

interface Unanswered {
  readonly asked: number;
  readonly theirs: number;
  readonly elsewhere: number;
}

async function replicaOf(cluster: RedisCluster, master: ClusterNode): Promise<ClusterNode> {
  const lines = String(await master.admin.call('CLUSTER', 'REPLICAS', master.id));
  return cluster.nodes.find((node) => node !== master && lines.includes(node.id))!;
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
