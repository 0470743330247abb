import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ASVS } from '../../../lib/core/doctor/asvs.js';
import type { DoctorCheck } from '../../../lib/core/doctor/doctor-check.js';
import { DOCTOR_CHECKS } from '../../../lib/core/doctor/doctor.js';

const DOCS = new URL('../../../docs/doctor.md', import.meta.url);
const SECURITY = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8');

/** `UPDATE_GOLDEN=1 npx vitest run test/core/doctor` writes the tables; `npx prettier --write docs/doctor.md` lines them up. */
const IS_UPDATE = process.env.UPDATE_GOLDEN === '1';

function severityOf({ severity, elsewhere }: DoctorCheck): string {
  return elsewhere === undefined || elsewhere === severity ? severity : `${severity}; elsewhere ${elsewhere}`;
}

const CHECK_ROWS = DOCTOR_CHECKS.map((check) => [
  `\`${check.id}\``,
  severityOf(check),
  check.title,
  check.fix,
  check.rows.join(', '),
  check.asvs.join(', '),
]);
const ASVS_ROWS = Object.entries(ASVS).map(([item, words]) => [item, words]);

/** The rows of the table between two marks, without head. */
function tableOf(text: string, name: string): string[][] {
  const [, table] = text.split(new RegExp(`<!-- /?${name} -->`));
  const lines = (table ?? '').split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function withTable(text: string, name: string, head: readonly string[], rows: readonly string[][]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return text.replace(
    new RegExp(`<!-- ${name} -->[^]*<!-- /${name} -->`),
    `<!-- ${name} -->\n\n${lines.join('\n')}\n\n<!-- /${name} -->`,
  );
}

describe('docs/doctor.md', () => {
  if (IS_UPDATE) {
    const head = ['id', 'severity', 'what it finds', 'what to do', 'rows', 'ASVS 5.0'];
    const text = withTable(readFileSync(DOCS, 'utf8'), 'checks', head, CHECK_ROWS);
    writeFileSync(DOCS, withTable(text, 'asvs', ['item', 'asks that'], ASVS_ROWS));
  }
  const docs = readFileSync(DOCS, 'utf8');

  it('has a row for every check, as it is', () => {
    expect(tableOf(docs, 'checks')).toEqual(CHECK_ROWS);
  });

  it('has a row for every item of the ASVS that a check names, and no other', () => {
    expect(tableOf(docs, 'asvs')).toEqual(ASVS_ROWS);
    const named = new Set(DOCTOR_CHECKS.flatMap(({ asvs }) => asvs));
    expect([...named].toSorted()).toEqual(Object.keys(ASVS).toSorted());
  });

  it('names rows that docs/security.md has', () => {
    const rows = new Set(DOCTOR_CHECKS.flatMap((check) => check.rows));
    expect([...rows].filter((row) => !SECURITY.includes(`| ${row} |`))).toEqual([]);
  });
});
