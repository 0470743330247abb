import { describe, expect, it } from 'vitest';
import { refusal, toJson, toText } from '../../lib/cli/doctor-report.js';

const REPORT = {
  module: 'dist/app.module.js',
  production: true,
  findings: [refusal('the first sentence'), refusal('the second sentence')],
  ignored: [],
};

describe('the report of the doctor', () => {
  it('tells people once what several findings of a check have in common, and counts each', () => {
    const text = toText(REPORT);
    expect(text.match(/ found {2}the \w+ sentence$/gm)).toHaveLength(2);
    expect(text.match(/^ERROR/gm)).toHaveLength(1);
    expect(text.match(/ fix {4}/g)).toHaveLength(1);
    expect(text).toContain('2 errors, 0 warnings, 0 notices');
  });

  it('gives programs each finding by itself', () => {
    const { counts, findings } = JSON.parse(toJson(REPORT)) as { counts: object; findings: object[] };
    expect(counts).toEqual({ error: 2, warning: 0, notice: 0 });
    expect(findings).toEqual(REPORT.findings);
  });
});
