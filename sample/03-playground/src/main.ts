import 'reflect-metadata';
import { startPlayground } from './playground.js';
import { readPorts } from './settings.js';

try {
  const playground = await startPlayground(readPorts(process.env));
  console.log(`Playground: ${playground.url}`);
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (isStopping) return;
      isStopping = true;
      void playground.stop().then(() => process.exit(0));
    });
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
