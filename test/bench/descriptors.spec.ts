import { describe, expect, it } from 'vitest';
import { benchModule } from './bench-module.js';

const { canHold, descriptorLimit } = await benchModule<{
  canHold(connections: number, log: (text: string) => void, limit?: number): boolean;
  descriptorLimit(): number;
}>('harness/descriptors.mjs');

describe('canHold', () => {
  it('leaves room for what else a process has open', () => {
    const said: string[] = [];
    expect(canHold(1_000, (text) => said.push(text), 1_200)).toBe(true);
    expect(said).toEqual([]);
    expect(canHold(1_001, (text) => said.push(text), 1_200)).toBe(false);
    expect(said).toEqual([
      '1001 connections need 1201 descriptors and the hard limit is 1200: left out; raise it by "ulimit -Hn" as root, or LimitNOFILE= of systemd',
    ]);
  });

  it('goes by the limit of this process when none is given', () => {
    const limit = descriptorLimit();
    expect(limit).toBeGreaterThan(0);
    expect(canHold(0, () => {})).toBe(limit >= 200);
  });
});
