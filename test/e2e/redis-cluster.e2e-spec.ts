import { startCluster } from '../support/redis-cluster.js';
import { describeFailoverOfApps } from './redis-failover.contract.js';

describeFailoverOfApps('a cluster', async () => {
  const cluster = await startCluster();
  return {
    option: { cluster: cluster.startupNodes },
    sharesMaster: async (key, other) => (await cluster.masterOf(key)) === (await cluster.masterOf(other)),
    killMasterOf: async (key) => {
      const master = await cluster.masterOf(key);
      await cluster.replicated(master);
      master.server.process.kill('SIGKILL');
      return () => cluster.failedOver(master);
    },
    stop: () => cluster.stop(),
  };
});
