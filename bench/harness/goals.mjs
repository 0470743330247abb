import { summarize } from './statistics.mjs';
import { spread, table } from './table.mjs';

/** A row of the goals table that wants the median of these to be so high. */
export function atLeast(what, values, bound, digits = 2) {
  const summary = summarize(values);
  return { what, goal: `≥ ${bound}`, measured: spread(summary, digits), isMet: summary.median >= bound };
}

/** A row of the goals table that wants the median of these to be so low. `unit` stands behind the bound. */
export function atMost(what, values, bound, digits = 2, unit = '') {
  const summary = summarize(values);
  const goal = `≤ ${bound}${unit && ` ${unit}`}`;
  return { what, goal, measured: spread(summary, digits), isMet: summary.median <= bound };
}

/** The rows of all measures that were taken. */
export function goalsOf(measures, result) {
  return measures
    .filter(({ name, goals }) => goals && result[name] !== undefined)
    .flatMap(({ name, goals }) => goals(result[name], result.settings));
}

/** What was wanted, what came of it, and how many of them hold. */
export function goalsTable(rows) {
  const cells = rows.map(({ what, goal, measured, isMet }) => [what, goal, measured, isMet ? 'yes' : 'no']);
  const met = rows.filter(({ isMet }) => isMet).length;
  return `${table(['what', 'goal', 'median (min–max)', 'met'], cells)}\n\n${met} of ${rows.length} are met.`;
}
