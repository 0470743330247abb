import { startServer } from '../harness/child.mjs';
import { atLeast } from '../harness/goals.mjs';
import { SECRET } from '../harness/revocable.mjs';
import { summarize } from '../harness/statistics.mjs';
import { count, spread, table } from '../harness/table.mjs';

const SLICE = 2_000;
/** Of these the bound is asked. A message is only looked up here, in nanoseconds: its cost as a whole is that of the echo. */
const BOUND = ['handshake', 'revocation', 'goodbye'];
const OPERATIONS = ['handshake', 'message', 'revocation', 'goodbye'];

/** The core of a node without sockets, so that it can have more connections than there are descriptors. */
export async function measureInProcess({ small, inProcess: large, warmUps, rounds: measured }) {
  const nodes = {};
  try {
    for (const [name, size] of Object.entries({ small, large })) {
      const { child } = await startServer({ file: 'core-growth.mjs', env: { BENCH_JWT_SECRET: SECRET } });
      nodes[name] = child;
      await child.ask('fill', { count: size });
    }
    const rounds = [];
    for (let round = 0; round < warmUps + measured; round += 1) {
      const slices = {};
      for (const name of round % 2 === 0 ? ['small', 'large'] : ['large', 'small'])
        slices[name] = await nodes[name].ask('slice', { round, count: SLICE });
      if (round >= warmUps) rounds.push(slices);
    }
    return { small, large, rounds };
  } finally {
    await Promise.all(Object.values(nodes).map((child) => child.stop()));
  }
}

export function reportInProcess({ small, large, rounds }) {
  const rows = OPERATIONS.map((operation) => {
    const cell = (size) => spread(summarize(rounds.map((round) => round[size][operation] / 1_000)));
    return [operation, cell('small'), cell('large'), spread(summarize(ratiosOf(rounds, operation)))];
  });
  return table(
    [
      'in the core, without sockets',
      `${count(small)} connections, CPU µs`,
      `${count(large)} connections, CPU µs`,
      'done in the same CPU time, many / few',
    ],
    rows,
  );
}

/** Of what there is a bound for. */
export function goalsInProcess(inProcess) {
  const sizes = `${count(inProcess.large)} / ${count(inProcess.small)} connections`;
  return BOUND.map((operation) =>
    atLeast(
      `${operation} in the core, ${sizes}, by processor time`,
      ratiosOf(inProcess.rounds, operation),
      0.95,
    ),
  );
}

function ratiosOf(rounds, operation) {
  return rounds.map(({ small, large }) => small[operation] / large[operation]);
}
