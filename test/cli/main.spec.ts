import { describe, expect, it } from 'vitest';
import { runCli } from './cli-process.js';

describe('the program', { timeout: 120_000 }, () => {
  it('ends with the exit code of the command though the application holds the process, and prints its answer alone', async () => {
    const { code, out, err } = await runCli(['doctor', 'good-app.ts', '--production', '--json']);
    expect(JSON.parse(out)).toMatchObject({ production: true, counts: { error: 0, warning: 0, notice: 0 } });
    expect(err).toBe('what an application prints while it is loaded\n');
    expect(code).toBe(0);
  });

  it('asks nobody where there is no terminal', async () => {
    const { code, out, err } = await runCli(['revoke', '--everyone']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/nobody is there to ask: give --yes/);
  });
});
