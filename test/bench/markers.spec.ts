import { describe, expect, it } from 'vitest';
import { benchModule } from './bench-module.js';

const { fillMarkers } = await benchModule<{
  fillMarkers(
    document: string,
    sections: Record<string, string | undefined>,
  ): { text: string; missing: string[]; left: string[] };
}>('harness/markers.mjs');

const DOCUMENT = [
  'Before.',
  '<!-- bench:echo -->',
  'old figures',
  '<!-- /bench:echo -->',
  'Between.',
  '<!-- bench:memory -->',
  '<!-- /bench:memory -->',
  'After.',
].join('\n');

describe('fillMarkers', () => {
  it('puts the text between its markers, and touches nothing else', () => {
    const { text } = fillMarkers(DOCUMENT, { echo: 'new figures\n', memory: 'bytes' });
    expect(text).toBe(
      [
        'Before.',
        '<!-- bench:echo -->',
        '',
        'new figures',
        '',
        '<!-- /bench:echo -->',
        'Between.',
        '<!-- bench:memory -->',
        '',
        'bytes',
        '',
        '<!-- /bench:memory -->',
        'After.',
      ].join('\n'),
    );
  });

  it('comes to the same when it is done twice', () => {
    const sections = { echo: 'figures', memory: 'bytes' };
    const once = fillMarkers(DOCUMENT, sections).text;
    expect(fillMarkers(once, sections).text).toBe(once);
  });

  it('takes the text as it is, whatever stands in it', () => {
    expect(fillMarkers(DOCUMENT, { echo: '$& costs $1', memory: '' }).text).toContain('$& costs $1');
  });

  it('names the texts that have no marker, and the markers that have no text', () => {
    const { missing, left, text } = fillMarkers(DOCUMENT, { echo: 'figures', nodes: 'more' });
    expect(missing).toEqual(['nodes']);
    expect(left).toEqual(['memory']);
    expect(text).not.toContain('more');
  });

  it.each([
    [
      'is opened twice',
      `${DOCUMENT}\n<!-- bench:echo -->`,
      'the marker <!-- bench:echo --> stands there twice',
    ],
    ['is not closed', '<!-- bench:echo -->', 'the marker <!-- bench:echo --> has no <!-- /bench:echo -->'],
    [
      'is closed before it is opened',
      '<!-- /bench:echo -->\n<!-- bench:echo -->',
      '<!-- /bench:echo --> stands before its <!-- bench:echo -->',
    ],
  ])('throws when a marker %s', (_, document, sentence) => {
    expect(() => fillMarkers(document, { echo: 'figures' })).toThrow(sentence);
  });
});
