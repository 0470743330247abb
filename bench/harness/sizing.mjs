import { summarize } from './statistics.mjs';
import { table } from './table.mjs';

const MICROS = 1_000_000;
const MANY = 10_000;
const STORM = 100_000;

/** The ways in, by the name of the variant. */
const WAYS_IN = [
  ['guarded', 'JWT, HS256'],
  ['guarded on Redis', 'JWT, HS256, revocations and limits on Redis'],
  ['guarded ES256', 'JWT, ES256, each token for the first time'],
  ['guarded ES256 again', 'JWT, ES256, tokens that were seen before'],
  ['guarded cookie', 'session cookie, in memory'],
  ['guarded cookie on Redis', 'session cookie, on Redis'],
  ['guarded ticket', 'ticket, in memory'],
  ['guarded ticket on Redis', 'ticket, on Redis'],
  ['guarded first message', 'JWT, HS256, in the first message'],
];

/** What can be counted on for nodes, computed from a run. Each row says from what; one whose measure is missing is left out. */
export function sizing(result) {
  const rows = [
    ...messageRows(result.echo),
    ...nodeRows(result.handshake),
    ...memoryRows(result.memory),
    ...togetherRows(result.handshake, result['redis-cost']),
  ];
  return table(['what', 'figure', 'computed as'], rows);
}

/** The ways of a message, by the name of the variant. */
const WAYS_OF_MESSAGES = [
  ['guarded', 'called directly'],
  ['guarded + Nest guard', "through Nest's pipeline"],
];

/** With one in flight on each connection: what comes together is cheaper. */
function messageRows(echo) {
  const cell = echo?.find(({ window, handlers }) => window === 1 && handlers === 1);
  return WAYS_OF_MESSAGES.filter(([name]) => cell?.slices[name]).map(([name, text]) => {
    const micros = cpuMicrosOf(cell, name);
    return [
      `small messages, each with its reply, a second for each core of Node: ${text}`,
      thousands(MICROS / micros),
      `1 s / ${micros.toFixed(1)} µs of server CPU (echo, one in flight); what your handler does comes on top`,
    ];
  });
}

function nodeRows(handshake) {
  return WAYS_IN.filter(([name]) => handshake?.slices[name]).map(([name, text]) => {
    const micros = cpuMicrosOf(handshake, name);
    return [
      `handshakes a second for each core of Node: ${text}`,
      thousands(MICROS / micros),
      `1 s / ${micros.toFixed(0)} µs of server CPU (handshake)`,
    ];
  });
}

/** Only from so many: what the system gives for few says little. */
function memoryRows(cells = []) {
  return cells
    .filter((cell) => cell.name === 'guarded' && cell.more >= MANY)
    .map((cell) => {
      const bytes = summarize(cell.runs.map(({ rss }) => rss)).median;
      const handlers = cell.handlers === 1 ? '1 handler' : `${cell.handlers} handlers`;
      return [
        `memory of ${thousands(MANY)} idle connections in a process, ${handlers}`,
        `${megabytes(bytes * MANY)} MB`,
        `${thousands(MANY)} × ${thousands(bytes)} bytes of RSS (memory, at ${thousands(cell.more)})`,
      ];
    });
}

/** What Redis does for a handshake and for its end, which is a part of Node's figure, too; by the name of the variant. */
const REDIS_WORK = {
  'guarded ticket on Redis': {
    text: 'ticket (its issue counts for Redis alone)',
    keys: ['ticketIssue', 'ticketHandshake', 'goodbye'],
  },
  'guarded cookie on Redis': { text: 'session cookie', keys: ['cookieHandshake', 'goodbye'] },
  'guarded on Redis': { text: 'JWT', keys: ['jwtHandshake', 'goodbye'] },
};

/** Node and Redis together: who is busy first, and how long a reconnect of everybody takes. */
function togetherRows(handshake, cost) {
  if (!cost) return [];
  return Object.entries(REDIS_WORK)
    .filter(([name]) => handshake?.slices[name])
    .flatMap(([name, { text, keys }]) => {
      const node = cpuMicrosOf(handshake, name);
      const redis = keys.reduce((sum, key) => sum + cost.microsPer[key], 0);
      if (redis === 0) return [];
      const from = `${node.toFixed(0)} µs of Node (handshake), ${redis.toFixed(1)} µs of Redis (redis-cost)`;
      return [
        [
          `cores of Node that keep one core of Redis busy with handshakes: ${text}`,
          (node / redis).toFixed(1),
          from,
        ],
        [
          `${thousands(STORM)} clients come back: ${text}`,
          `${seconds(STORM * node)} s of Node, ${seconds(STORM * redis)} s of Redis`,
          `${thousands(STORM)} × each of these; Node's divided by the number of nodes`,
        ],
      ];
    });
}

function cpuMicrosOf({ slices }, name) {
  return summarize(slices[name].map(({ cpuMicros }) => cpuMicros)).median;
}

function thousands(value) {
  return Math.round(value).toLocaleString('en-US');
}

function megabytes(bytes) {
  return thousands(bytes / 1e6);
}

function seconds(micros) {
  return (micros / MICROS).toFixed(1);
}
