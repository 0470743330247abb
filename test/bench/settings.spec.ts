import { describe, expect, it } from 'vitest';
import { benchModule } from './bench-module.js';

const { readSettings } = await benchModule<{
  readSettings(args: string[]): { mode: string; variants?: string[]; isWritten: boolean } | undefined;
}>('settings.mjs');
const { VARIANTS } = await benchModule<{ VARIANTS: { name: string }[] }>('variants.mjs');
const NAMES = VARIANTS.map(({ name }) => name);

describe('readSettings', () => {
  it('takes the name of every variant', () => {
    expect(readSettings(['--variants', NAMES.join(',')])?.variants).toEqual(NAMES);
    expect(new Set(NAMES).size).toBe(NAMES.length);
  });

  it('refuses a variant that there is none of', () => {
    expect(() => readSettings(['--variants', 'guarded,other'])).toThrow('there is no variant "other"');
  });

  it.each([
    [['smoke', '--write'], 'the figures of smoke say nothing'],
    [['full', '--write', '--variants', 'guarded'], 'so that no table lacks a peer'],
  ])('writes no documents with %j', (args, sentence) => {
    expect(() => readSettings(args)).toThrow(sentence);
  });

  it('answers with nothing when help is asked for', () => {
    expect(readSettings(['--help'])).toBeUndefined();
  });
});
