import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { askForYes } from '../../lib/cli/ask.js';

describe('askForYes', () => {
  it.each([
    ['yes\n', true],
    [' yes \r\n', true],
    ['y\n', false],
    ['YES\n', false],
    ['\n', false],
    ['no\nyes\n', false],
  ])('takes %j for %j', async (typed, isYes) => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const answer = askForYes(input, output, 'All of it?');
    input.write(typed);
    expect(await answer).toBe(isYes);
    expect(String(output.read())).toMatch(/^All of it\? Type "yes" to go on: /);
  });

  it('takes a terminal that goes away for a no', async () => {
    const input = new PassThrough();
    const answer = askForYes(input, new PassThrough(), 'All of it?');
    input.end();
    expect(await answer).toBe(false);
  });
});
