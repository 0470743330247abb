import { describe, expect, it } from 'vitest';
import { benchModule } from './bench-module.js';
import { exampleRun, type ExampleRun } from './example-run.js';

const { plot, PLOTTED } = await benchModule<{ plot(result: ExampleRun): string; PLOTTED: string[] }>(
  'harness/plot.mjs',
);
const { VARIANTS } = await benchModule<{ VARIANTS: { name: string; isOurs?: boolean }[] }>('variants.mjs');

/** The bar behind a name: its colour and its width. */
function barOf(svg: string, name: string): { isOurs: boolean; width: number } {
  const [, classes, width] =
    new RegExp(`>${name}</text>\n<rect class="(bar(?: ours)?)"[^>]* width="([\\d.]+)"`).exec(svg) ?? [];
  expect(classes, name).toBeDefined();
  return { isOurs: classes === 'bar ours', width: Number(width) };
}

describe('plot', () => {
  it('draws the median of the ratios within each round', () => {
    const echo = plot({ ...exampleRun(), handshake: undefined, memory: undefined });
    // 1.2, 1.4 and 1.1 against bare ws, whose second round was half as fast; 1.4 is at the right end.
    const { width } = barOf(echo, 'guarded');
    expect(width / barOf(echo, 'stock Nest').width).toBeCloseTo(1.2 / 0.6, 1);
    expect(echo).toContain('>1.20</text>');
    expect(echo).toContain('>0.60</text>');
  });

  it('tells the figures in words, with the least and the most', () => {
    const [, description] = /<desc id="desc">([^<]*)<\/desc>/.exec(plot(exampleRun())) ?? [];
    expect(description).toContain('guarded 1.20 (1.10 to 1.40), stock Nest 0.60 (0.60 to 0.60)');
    expect(description).toContain('Handshakes a second, more is better: guarded 0.63 (0.50 to 0.75)');
    expect(description).toContain('Heap of an idle connection, less is better: guarded 1.75 (1.50 to 2.00)');
  });

  it('has a title and a description for screen readers', () => {
    const svg = plot(exampleRun());
    expect(svg).toMatch(
      /^<svg [^>]*role="img" aria-labelledby="title desc">\n<title id="title">[^<]+<\/title>/,
    );
  });

  it('colours this library alone', () => {
    const svg = plot(exampleRun());
    expect(barOf(svg, 'guarded').isOurs).toBe(true);
    expect(barOf(svg, 'guarded ticket on Redis').isOurs).toBe(true);
    expect(barOf(svg, 'tutorial').isOurs).toBe(false);
  });

  it('paints no background, and changes its text in dark mode', () => {
    const svg = plot(exampleRun());
    expect(svg).not.toMatch(/background|width="100%"/);
    expect(svg).toContain('@media (prefers-color-scheme: dark)');
  });

  it('loads nothing from elsewhere', () => {
    const addresses = plot(exampleRun()).match(/https?:[^"' ]+/g);
    expect(addresses).toEqual(['http://www.w3.org/2000/svg']);
    expect(plot(exampleRun())).not.toMatch(/<script|<image|@import|url\(/);
  });

  it('leaves out what was not measured, and servers that tell no heap', () => {
    const svg = plot({ ...exampleRun(), handshake: undefined });
    expect(svg).not.toContain('Handshakes');
    expect(svg).not.toContain('Python');
    expect(svg).toContain('Heap of an idle connection');
  });

  it('keeps every bar and whisker inside the picture', () => {
    const svg = plot(exampleRun());
    const [, width] = /viewBox="0 0 (\d+) /.exec(svg) ?? [];
    const ends = [...svg.matchAll(/H([\d.]+)M/g)].map(([, x]) => Number(x));
    expect(ends.length).toBeGreaterThan(4);
    // Right of the longest there is room for its figure.
    expect(Math.max(...ends)).toBeLessThan(Number(width) - 50);
  });

  it('throws when there is nothing to draw', () => {
    const { environment, settings } = exampleRun();
    expect(() => plot({ environment, settings })).toThrow('nothing to draw');
  });

  it('names only variants that the bench has', () => {
    const known = VARIANTS.map(({ name }) => name);
    expect(PLOTTED.filter((name) => !known.includes(name))).toEqual([]);
    expect(PLOTTED.length).toBeGreaterThan(10);
  });
});
