import { VARIANTS } from '../variants.mjs';
import { heapRatiosOf, throughputRatios } from './ratios.mjs';
import { summarize } from './statistics.mjs';

const FLOOR = 'bare ws';
const WIDTH = 760;
const LABELS_END = 264;
const BARS_END = 690;
const ROW = 24;
const BAR = 14;
const CAP = 4;
const PANEL_HEAD = 46;
const PANEL_GAP = 22;
const TOP = 44;

const ECHOED = [
  'guarded',
  'guarded + Nest guard',
  'bare ws + cork',
  'stock Nest',
  'stock Nest + JWT guard',
  'stock Nest + JWT guard (KeyObject)',
  'stock Nest + throttler',
  'Socket.IO',
  'graphql-ws',
  'Python websockets',
];

/** What is drawn of each measure, in this order; what was not measured is left out. */
const PANELS = [
  {
    title: 'Messages a second, 8 in flight on each connection',
    better: 'more is better',
    ratiosOf: (result) => throughputRatios(cellOf(result.echo, 8), FLOOR),
    shown: ECHOED,
  },
  {
    title: 'Messages a second, one in flight on each connection',
    better: 'more is better',
    ratiosOf: (result) => throughputRatios(cellOf(result.echo, 1), FLOOR),
    shown: ECHOED,
  },
  {
    title: 'Handshakes a second',
    better: 'more is better',
    ratiosOf: (result) => throughputRatios(result.handshake, FLOOR),
    shown: [
      'guarded',
      'guarded cookie',
      'guarded ticket',
      'guarded ticket on Redis',
      'guarded first message',
      'stock Nest',
      'tutorial',
      'tutorial (KeyObject)',
      'ws + jsonwebtoken',
      'ws + Redis ticket',
      'Socket.IO',
      'Socket.IO (KeyObject)',
      'graphql-ws',
      'Python websockets',
    ],
  },
  {
    title: 'Heap of an idle connection',
    better: 'less is better',
    ratiosOf: (result) => heapRatiosOf(result.memory, FLOOR),
    shown: ['guarded', 'guarded cookie on Redis', 'stock Nest', 'Socket.IO', 'graphql-ws'],
  },
];

/** The names that are drawn when they were measured. */
export const PLOTTED = [...new Set(PANELS.flatMap(({ shown }) => shown))];

const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.head { font-weight: 600; }
.note { fill: #59636e; font-size: 12px; }
.bar { fill: #7d8590; }
.ours { fill: #2f81f7; }
.whisker { stroke: #1f2328; stroke-width: 1.5; }
.floor { stroke: #59636e; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .note { fill: #9198a1; }
  .whisker { stroke: #f0f6fc; }
  .floor { stroke: #9198a1; }
}`;

/**
 * Draws a run: bars are ratios to bare ws, with whiskers from the least to the most of the rounds. No background of its own.
 *
 * @returns the text of an SVG file
 * @throws when nothing in the run can be drawn
 */
export function plot(result) {
  const panels = PANELS.map((panel) => ({ ...panel, rows: rowsOf(panel, result) })).filter(
    ({ rows }) => rows.length > 0,
  );
  if (panels.length === 0) throw new Error(`nothing to draw: no echo, handshake or memory beside "${FLOOR}"`);
  let top = TOP;
  const drawn = panels.map((panel) => {
    const text = drawPanel(panel, top);
    top += PANEL_HEAD + panel.rows.length * ROW + PANEL_GAP;
    return text;
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img" aria-labelledby="title desc">`,
    '<title id="title">This library and its peers, as ratios to bare ws</title>',
    `<desc id="desc">${escape(panels.map(describe).join(' '))}</desc>`,
    `<style>${STYLE}\n</style>`,
    drawLegend(),
    ...drawn,
    '</svg>',
  ].join('\n')}\n`;
}

function cellOf(echo, window) {
  return echo?.find((cell) => cell.window === window && cell.handlers === 1);
}

function rowsOf({ ratiosOf, shown }, result) {
  const ratios = ratiosOf(result);
  return shown
    .filter((name) => ratios.has(name))
    .map((name) => ({ name, isOurs: isOurs(name), ...summarize(ratios.get(name)) }));
}

function isOurs(name) {
  return VARIANTS.some((variant) => variant.name === name && variant.isOurs === true);
}

/** The panel in words, for who cannot see it. */
function describe({ title, better, rows }) {
  const figures = rows.map(
    ({ name, median, min, max }) => `${name} ${figure(median)} (${figure(min)} to ${figure(max)})`,
  );
  return `${title}, ${better}: ${figures.join(', ')}.`;
}

function drawLegend() {
  return [
    `<rect class="bar ours" x="8" y="12" width="${BAR}" height="${BAR}"/>`,
    '<text x="28" y="24">this library, everything on</text>',
    `<rect class="bar" x="${LABELS_END}" y="12" width="${BAR}" height="${BAR}"/>`,
    `<text x="${LABELS_END + 20}" y="24">others</text>`,
    `<text class="note" x="${WIDTH - 8}" y="24" text-anchor="end">median; line: least to most</text>`,
  ].join('\n');
}

function drawPanel({ title, better, rows }, top) {
  const most = Math.max(1, ...rows.map(({ max }) => max));
  const x = (ratio) => round(LABELS_END + (ratio / most) * (BARS_END - LABELS_END));
  const first = top + PANEL_HEAD;
  const bottom = first + rows.length * ROW;
  return [
    `<text class="head" x="8" y="${top + 16}">${escape(title)}</text>`,
    `<text class="note" x="8" y="${top + 33}">${escape(better)}</text>`,
    `<text class="note" x="${x(1)}" y="${top + 33}" text-anchor="middle">bare ws = 1</text>`,
    ...rows.map((row, index) => drawRow(row, first + index * ROW, x)),
    `<line class="floor" x1="${x(1)}" x2="${x(1)}" y1="${first - 8}" y2="${bottom}"/>`,
  ].join('\n');
}

function drawRow({ name, isOurs: ours, median, min, max }, top, x) {
  const middle = top + BAR / 2;
  return [
    `<text x="${LABELS_END - 10}" y="${middle + 4.5}" text-anchor="end">${escape(name)}</text>`,
    `<rect class="bar${ours ? ' ours' : ''}" x="${LABELS_END}" y="${top}" width="${round(x(median) - LABELS_END)}" height="${BAR}"/>`,
    `<path class="whisker" fill="none" d="M${x(min)} ${middle}H${x(max)}M${x(min)} ${middle - CAP}v${2 * CAP}M${x(max)} ${middle - CAP}v${2 * CAP}"/>`,
    `<text x="${WIDTH - 8}" y="${middle + 4.5}" text-anchor="end">${figure(median)}</text>`,
  ].join('\n');
}

function figure(ratio) {
  return ratio.toFixed(2);
}

function round(pixels) {
  return Math.round(pixels * 10) / 10;
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
