import { percentiles } from './percentiles.mjs';
import { heapRatios, throughputRatios } from './ratios.mjs';
import { summarize } from './statistics.mjs';
import { spread, table } from './table.mjs';

const OURS = 'guarded';

/** What is told of throughput: of whom, beside whom. */
const ECHOES = [
  ['stock Nest', 'stock Nest, nobody checked'],
  ['stock Nest + throttler', 'stock Nest + @nestjs/throttler'],
  ['Socket.IO', 'Nest + Socket.IO, with a limiter'],
];

const HANDSHAKES = [
  [OURS, 'tutorial', 'handshakes/s with a JWT', 'JwtService in handleConnection, its secret a text'],
  [OURS, 'tutorial (KeyObject)', 'handshakes/s with a JWT', 'JwtService in handleConnection, a KeyObject'],
  [OURS, 'stock Nest', 'handshakes/s with a JWT', 'stock Nest, nobody checked'],
  [
    'guarded ticket on Redis',
    'ws + Redis ticket',
    'handshakes/s with a ticket in Redis',
    'ws, GETDEL and HMGET by hand',
  ],
];

const HEAPS = [['stock Nest', 'stock Nest']];

/** The figures that a team would choose by. A row that was not measured is left out. */
export function summary(result) {
  const rows = [
    ...echoRows(result.echo),
    ...handshakeRows(result.handshake),
    ...heapRows(result.memory),
    ...revocationRows(result.revocation),
  ];
  return table(['on one core', 'this library, all on', 'beside it', 'ratio'], rows);
}

function echoRows(echo) {
  const cell = echo?.find(({ window, handlers }) => window === 8 && handlers === 1);
  return ECHOES.flatMap(([other, text]) => throughputRow(cell, OURS, other, 'messages/s, 8 in flight', text));
}

function handshakeRows(handshake) {
  return HANDSHAKES.flatMap(([ours, other, what, text]) => throughputRow(handshake, ours, other, what, text));
}

function throughputRow(cell, ours, other, what, text) {
  const ratios = throughputRatios(cell, other).get(ours);
  if (!ratios) return [];
  const medianOf = (name) => summarize(cell.slices[name].map(({ perSecond }) => perSecond)).median;
  return [[what, thousands(medianOf(ours)), `${text}: ${thousands(medianOf(other))}`, times(ratios)]];
}

function heapRows(cells = []) {
  const more = Math.max(...cells.map((cell) => cell.more));
  const find = (wanted) =>
    cells.find(({ name, handlers, more: size }) => name === wanted && handlers === 1 && size === more);
  const ours = find(OURS);
  if (!ours) return [];
  const heapOf = (cell) => thousands(summarize(cell.runs.map(({ heap }) => heap)).median);
  return HEAPS.flatMap(([other, text]) => {
    const ratios = heapRatios(cells, ours, other);
    if (!ratios) return [];
    return [
      ['heap of an idle connection, bytes', heapOf(ours), `${text}: ${heapOf(find(other))}`, times(ratios)],
    ];
  });
}

/** On Redis, as it is where there are several nodes. */
function revocationRows(revocation) {
  if (!revocation) return [];
  const isOnRedis = (name) => name.startsWith(OURS) && name.includes('Redis');
  const one = revocation.one
    .filter(({ variant }) => isOnRedis(variant))
    .map(({ runs }) => {
      const { p99 } = percentiles(runs.flatMap(({ closeMs }) => closeMs));
      return ['logout until the socket is closed, p99 at two-thirds load (Redis)', ms(p99), '–', '–'];
    });
  const { count, variants } = revocation.many;
  const many = variants
    .filter(({ name }) => isOnRedis(name))
    .map(({ runs }) => {
      const medianOf = (key) => ms(summarize(runs.map((run) => run[key])).median);
      const what = `${thousands(count)} sockets revoked at once: fenced; closed (Redis)`;
      return [what, `${medianOf('fencedMs')}; ${medianOf('closedMs')}`, '–', '–'];
    });
  return [...one, ...many];
}

function times(ratios) {
  return spread(summarize(ratios));
}

function thousands(value) {
  return Math.round(value).toLocaleString('en-US');
}

function ms(value) {
  return `${value.toFixed(1)} ms`;
}
