/** Above this a row says what the load can do, and not the server. */
const BUSY = 0.9;

/** A Markdown table with columns of equal width. */
export function table(headings, rows) {
  const cells = [headings, ...rows.map((row) => row.map(String))];
  const widths = headings.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

/** `median (min–max)`. */
export function spread({ median, min, max }, digits = 2) {
  return `${figure(median, digits)} (${figure(min, digits)}–${figure(max, digits)})`;
}

function figure(value, digits) {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A whole number, with commas. */
export function count(number) {
  return number.toLocaleString('en-US');
}

/** How busy the load was. */
export function busyShare(share) {
  return `${(share * 100).toFixed(0)} %${share > BUSY ? ': its limit' : ''}`;
}
