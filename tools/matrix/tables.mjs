import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';

const BEGIN = '<!-- matrix: the last run -->';
const END = '<!-- matrix: end -->';

/** A table that grows by cells; rows and columns come in the order in which they were first named. */
export class Table {
  #columns = new Set();
  #rows = new Map();

  set(row, column, text) {
    this.#columns.add(column);
    if (!this.#rows.has(row)) this.#rows.set(row, new Map());
    this.#rows.get(row).set(column, text);
  }

  /** In Markdown. @param corner what the first column holds */
  toMarkdown(corner) {
    const columns = [...this.#columns];
    const rows = [...this.#rows].map(([row, cells]) => [
      row,
      ...columns.map((name) => cells.get(name) ?? '-'),
    ]);
    const lines = [[corner, ...columns], [corner, ...columns].map(() => '---'), ...rows];
    return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  }
}

/** Puts a text between the two marks of a Markdown file. @throws {Error} where they are not there */
export async function writeBetweenMarks(file, text) {
  const before = readFileSync(file, 'utf8');
  const [begin, end] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${file} has no ${BEGIN} and ${END}`);
  const after = `${before.slice(0, begin)}${BEGIN}\n\n${text}\n\n${before.slice(end)}`;
  writeFileSync(file, await formatted(after));
}

/** As this repository formats Markdown: with columns that are aligned. */
export async function formatted(text) {
  const options = await resolveConfig(new URL('../../README.md', import.meta.url).pathname);
  return format(text, { ...options, parser: 'markdown' });
}
