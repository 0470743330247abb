import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeType, describeValue, MAX_DURATION_MS, OptionProblems } from '../../lib/core/option-rules.js';

/** Calls `check` with fresh problems, and answers with its value and what was reported. */
function run<T>(check: (problems: OptionProblems) => T): { value: T; sentences: readonly string[] } {
  const problems = new OptionProblems();
  return { value: check(problems), sentences: problems.sentences };
}

describe('OptionProblems', () => {
  describe('refuseUnknownKeys', () => {
    const sentenceFor = (key: string) =>
      run((problems) => problems.refuseUnknownKeys('session', { [key]: 1 }, ['idleMs', 'absoluteMs']))
        .sentences;

    it('says nothing about known keys', () => {
      expect(sentenceFor('idleMs')).toEqual([]);
    });

    it.each(['idleMS', 'idelMs', 'idle', 'idleMss', 'idle_ms'])('names the nearest for %s', (key) => {
      expect(sentenceFor(key)).toEqual([`unknown option "session.${key}": did you mean "idleMs"?`]);
    });

    it('lists what is known when nothing is near', () => {
      expect(sentenceFor('colour')).toEqual([
        'unknown option "session.colour": known are idleMs, absoluteMs',
      ]);
    });

    it('names a key of the top level without a group', () => {
      const { sentences } = run((problems) => problems.refuseUnknownKeys('', { orgins: 1 }, ['origins']));
      expect(sentences).toEqual(['unknown option "orgins": did you mean "origins"?']);
    });

    it('does not take a key of Object.prototype for a known one', () => {
      expect(sentenceFor('constructor')).toHaveLength(1);
      expect(sentenceFor('toString')).toHaveLength(1);
    });

    it('names a known option for any single misspelling of it', () => {
      fc.assert(
        fc.property(
          fc.constantFrom('idleMs', 'absoluteMs'),
          fc.nat(9),
          fc.constantFrom('', 'x', 'xy'),
          (name, at, put) => {
            const index = at % name.length;
            const misspelt = name.slice(0, index) + put + name.slice(index + 1);
            expect(sentenceFor(misspelt)).toEqual([
              `unknown option "session.${misspelt}": did you mean "${name}"?`,
            ]);
          },
        ),
      );
    });
  });

  it('takes the default for whatever was left out', () => {
    const { value, sentences } = run((problems) => [
      problems.durationMs('a', undefined, 1),
      problems.count('a', undefined, 2),
      problems.flag('a', undefined, true),
      problems.oneOf('a', undefined, ['x', 'y'], 'y'),
      problems.strings('a', undefined, ['z'], () => true, 'words'),
    ]);
    expect(value).toEqual([1, 2, true, 'y', ['z']]);
    expect(sentences).toEqual([]);
  });

  describe('group', () => {
    it('is empty when it was left out', () => {
      expect(run((problems) => problems.group('ticket', undefined))).toEqual({ value: {}, sentences: [] });
    });

    it.each([
      [null, 'null'],
      [[], 'a list'],
      ['x', 'a string'],
      [1, 'a number'],
      [true, 'a boolean'],
    ])('refuses %j', (given, described) => {
      expect(run((problems) => problems.group('ticket', given))).toEqual({
        value: {},
        sentences: [`option "ticket" must be an object, received ${described}`],
      });
    });
  });

  describe('durationMs', () => {
    const check = (given: unknown) => run((problems) => problems.durationMs('a.b', given, 77));

    it.each([1, 0.5, 30_000, MAX_DURATION_MS])('takes %d', (given) => {
      expect(check(given)).toEqual({ value: given, sentences: [] });
    });

    it('takes the default for what was left out', () => {
      expect(check(undefined)).toEqual({ value: 77, sentences: [] });
    });

    it.each([
      [0, '0'],
      [-1, '-1'],
      [MAX_DURATION_MS + 1, '2147483648'],
      [Number.NaN, 'NaN'],
      [Number.POSITIVE_INFINITY, 'Infinity'],
      ['30s', '"30s"'],
      ['30000', '"30000"'],
      [null, 'null'],
      [30_000n, 'a bigint'],
      [{}, 'an object'],
      [[30_000], 'a list'],
    ])('refuses %s', (given, described) => {
      expect(check(given)).toEqual({
        value: 77,
        sentences: [
          `option "a.b" must be a number of milliseconds above 0 and at most 2147483647, received ${described}`,
        ],
      });
    });

    it('keeps to a maximum of its own', () => {
      const { sentences } = run((problems) => problems.durationMs('a', 11, 5, 10));
      expect(sentences).toEqual([
        'option "a" must be a number of milliseconds above 0 and at most 10, received 11',
      ]);
    });
  });

  describe('count', () => {
    const check = (given: unknown) => run((problems) => problems.count('a', given, 5, 2, 9));

    it.each([2, 9])('takes %d, at the edge', (given) => {
      expect(check(given)).toEqual({ value: given, sentences: [] });
    });

    it('keeps 0 where 0 is allowed', () => {
      expect(run((problems) => problems.count('a', 0, 5, 0)).value).toBe(0);
    });

    it.each([1, 10, 2.5, '3', null, Number.NaN, Number.POSITIVE_INFINITY, true])('refuses %s', (given) => {
      const { value, sentences } = check(given);
      expect(value).toBe(5);
      expect(sentences).toEqual([
        `option "a" must be a whole number from 2 to 9, received ${typeof given === 'string' ? '"3"' : String(given)}`,
      ]);
    });
  });

  describe('flag', () => {
    it('keeps false', () => {
      expect(run((problems) => problems.flag('a', false, true))).toEqual({ value: false, sentences: [] });
    });

    it.each([0, 1, 'true', null, {}])('refuses %j', (given) => {
      const { value, sentences } = run((problems) => problems.flag('a', given, true));
      expect(value).toBe(true);
      expect(sentences[0]).toMatch(/^option "a" must be true or false, received /);
    });
  });

  describe('oneOf', () => {
    it('takes what is listed', () => {
      expect(run((problems) => problems.oneOf('a', 'y', ['x', 'y'], 'x'))).toEqual({
        value: 'y',
        sentences: [],
      });
    });

    it.each(['X', 'z', '', null, ['x'], true])('refuses %j', (given) => {
      const { value, sentences } = run((problems) => problems.oneOf('a', given, ['x', 'y'], 'x'));
      expect(value).toBe('x');
      expect(sentences[0]).toMatch(/^option "a" must be one of "x", "y", received /);
    });
  });

  describe('strings', () => {
    const check = (given: unknown) =>
      run((problems) => problems.strings('a', given, ['default'], (entry) => entry !== 'bad', 'good words'));

    it('takes a list of valid entries, the empty one too', () => {
      expect(check(['x', 'y'])).toEqual({ value: ['x', 'y'], sentences: [] });
      expect(check([])).toEqual({ value: [], sentences: [] });
    });

    it('refuses what is no list', () => {
      expect(check('x')).toEqual({
        value: ['default'],
        sentences: ['option "a" must be a list of good words, received a string'],
      });
    });

    it('tells every entry that is none', () => {
      expect(check(['bad', 'x', 3])).toEqual({
        value: ['x'],
        sentences: [
          'option "a" must be a list of good words; "bad" is none',
          'option "a" must be a list of good words; 3 is none',
        ],
      });
    });
  });
});

describe('describeValue', () => {
  it('quotes a short text on one line', () => {
    expect(describeValue('a\n"b"')).toBe('"a\\n\\"b\\""');
  });

  it('tells only the length of a long one, which may be a secret', () => {
    expect(describeValue('s'.repeat(61))).toBe('a string of 61 characters');
  });

  it('is always one short line', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const described = describeValue(value);
        expect(described).not.toMatch(/[\r\n]/);
        expect(described.length).toBeLessThan(400);
      }),
    );
  });
});

describe('describeType', () => {
  it.each([
    [null, 'null'],
    [undefined, 'nothing'],
    [[], 'a list'],
    [{}, 'an object'],
    ['secret', 'a string'],
    [1, 'a number'],
    [() => {}, 'a function'],
  ])('calls %s by its kind', (value, kind) => {
    expect(describeType(value)).toBe(kind);
  });
});
