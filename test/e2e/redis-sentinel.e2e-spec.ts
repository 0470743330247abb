import { describeFailoverOfApps } from './redis-failover.contract.js';
import { startSentinel } from '../support/redis-sentinel.js';

describeFailoverOfApps('Sentinel', async () => {
  const sentinel = await startSentinel();
  return {
    option: sentinel.option,
    sharesMaster: () => Promise.resolve(true),
    killMasterOf: async () => {
      const master = await sentinel.master();
      await sentinel.replicated(master);
      master.server.process.kill('SIGKILL');
      return async () => void (await sentinel.failedOver(master));
    },
    stop: () => sentinel.stop(),
  };
});
