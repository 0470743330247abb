/** The longest duration that an option may have, in milliseconds: what a Node timer can hold. */
export const MAX_DURATION_MS = 2 ** 31 - 1;

/**
 * Collects what is wrong in a set of options, one sentence for each, so that a wrong set-up is told once and whole.
 * Each method answers with the value to use; when it has reported a problem, that value is the default.
 */
export class OptionProblems {
  readonly sentences: string[] = [];

  report(sentence: string): void {
    this.sentences.push(sentence);
  }

  /** Reports every key of `given` that is not in `known`, with the nearest known one. */
  refuseUnknownKeys(group: string, given: object, known: readonly string[]): void {
    for (const key of Object.keys(given)) {
      if (known.includes(key)) continue;
      const nearest = nearestOf(key, known);
      this.report(
        `unknown option ${describePath(group, key)}: ${nearest ? `did you mean "${nearest}"?` : `known are ${known.join(', ')}`}`,
      );
    }
  }

  /** An object, or the empty one when the group was left out. */
  group(name: string, given: unknown): Record<string, unknown> {
    if (given === undefined) return {};
    if (typeof given === 'object' && given !== null && !Array.isArray(given))
      return given as Record<string, unknown>;
    this.report(`option "${name}" must be an object, received ${describeType(given)}`);
    return {};
  }

  /** A duration in whole or broken milliseconds: finite, more than 0, less than 2^31. */
  durationMs(path: string, given: unknown, fallback: number, maximum = MAX_DURATION_MS): number {
    if (given === undefined) return fallback;
    if (typeof given === 'number' && given > 0 && given <= maximum) return given;
    this.report(
      `option "${path}" must be a number of milliseconds above 0 and at most ${maximum}, received ${describeValue(given)}`,
    );
    return fallback;
  }

  /** A whole number within bounds. */
  count(
    path: string,
    given: unknown,
    fallback: number,
    minimum = 1,
    maximum = Number.MAX_SAFE_INTEGER,
  ): number {
    if (given === undefined) return fallback;
    if (Number.isInteger(given) && (given as number) >= minimum && (given as number) <= maximum)
      return given as number;
    this.report(
      `option "${path}" must be a whole number from ${minimum} to ${maximum}, received ${describeValue(given)}`,
    );
    return fallback;
  }

  flag(path: string, given: unknown, fallback: boolean): boolean {
    if (given === undefined) return fallback;
    if (typeof given === 'boolean') return given;
    this.report(`option "${path}" must be true or false, received ${describeValue(given)}`);
    return fallback;
  }

  oneOf<T extends string>(path: string, given: unknown, allowed: readonly T[], fallback: T): T {
    if (given === undefined) return fallback;
    if (allowed.includes(given as T)) return given as T;
    this.report(
      `option "${path}" must be one of ${allowed.map(quote).join(', ')}, received ${describeValue(given)}`,
    );
    return fallback;
  }

  /** A list of strings, each accepted by `isValid`. */
  strings(
    path: string,
    given: unknown,
    fallback: readonly string[],
    isValid: (entry: string) => boolean,
    expected: string,
  ): readonly string[] {
    if (given === undefined) return fallback;
    if (!Array.isArray(given)) {
      this.report(`option "${path}" must be a list of ${expected}, received ${describeType(given)}`);
      return fallback;
    }
    for (const entry of given) {
      if (typeof entry === 'string' && isValid(entry)) continue;
      this.report(`option "${path}" must be a list of ${expected}; ${describeValue(entry)} is none`);
    }
    return given.filter((entry) => typeof entry === 'string' && isValid(entry));
  }
}

/** A value for an error message: short, on one line, and never a text that could be a secret. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string')
    return value.length <= 60 ? JSON.stringify(value) : `a string of ${value.length} characters`;
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  return describeType(value);
}

/** What kind of thing a value is, for an error message about a value that may be secret. */
export function describeType(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

function describePath(group: string, key: string): string {
  return `"${group ? `${group}.` : ''}${key}"`;
}

function quote(text: string): string {
  return `"${text}"`;
}

function nearestOf(key: string, known: readonly string[]): string | undefined {
  const scored = known.map((name) => ({
    name,
    distance: editDistance(key.toLowerCase(), name.toLowerCase()),
  }));
  scored.sort((a, b) => a.distance - b.distance);
  const best = scored[0];
  return best && best.distance <= Math.max(2, Math.floor(key.length / 3)) ? best.name : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
