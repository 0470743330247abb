import { MAX_DURATION_MS, type OptionProblems } from './option-rules.js';

/** How one option is checked, and what it is when it is left out. */
export interface OptionSpec<T> {
  readonly fallback: T;
  /** Answers with the value to use; with the fallback when it has reported a problem. */
  resolve(path: string, given: unknown, problems: OptionProblems): T;
}

/** A spec for every option of a group. */
export type OptionSpecs<Options> = { readonly [Key in keyof Options]-?: OptionSpec<unknown> };

/** The values that a group of specs resolves to. */
export type OptionValues<Specs> = {
  readonly [Key in keyof Specs]: Specs[Key] extends OptionSpec<infer T> ? T : never;
};

type AnySpecs = Readonly<Record<string, OptionSpec<unknown>>>;

/** Milliseconds, above 0. */
export function durationMs(fallback: number, maximum = MAX_DURATION_MS): OptionSpec<number> {
  return {
    fallback,
    resolve: (path, given, problems) => problems.durationMs(path, given, fallback, maximum),
  };
}

/** Milliseconds, above 0; `false` switches off what they are for. */
export function durationMsOrNever(fallback: number): OptionSpec<number | false> {
  return {
    fallback,
    resolve: (path, given, problems) => given !== false && problems.durationMs(path, given, fallback),
  };
}

/** A whole number within bounds. */
export function count(fallback: number, minimum?: number, maximum?: number): OptionSpec<number> {
  return {
    fallback,
    resolve: (path, given, problems) => problems.count(path, given, fallback, minimum, maximum),
  };
}

/** A whole number of at least 1, or `Infinity`. */
export function countOrInfinity(fallback: number): OptionSpec<number> {
  return {
    fallback,
    resolve: (path, given, problems) => (given === Infinity ? given : problems.count(path, given, fallback)),
  };
}

export function flag(fallback: boolean): OptionSpec<boolean> {
  return { fallback, resolve: (path, given, problems) => problems.flag(path, given, fallback) };
}

export function oneOf<const T extends string>(allowed: readonly T[], fallback: NoInfer<T>): OptionSpec<T> {
  return { fallback, resolve: (path, given, problems) => problems.oneOf(path, given, allowed, fallback) };
}

/** A list of texts, each of which `isValid` takes; empty when it is left out. */
export function strings(
  isValid: (entry: string) => boolean,
  expected: string,
): OptionSpec<readonly string[]> {
  return {
    fallback: [],
    resolve: (path, given, problems) => problems.strings(path, given, [], isValid, expected),
  };
}

/** A group within a group. */
export function group<const Specs extends AnySpecs>(specs: Specs): OptionSpec<OptionValues<Specs>> {
  return {
    fallback: defaultsOf(specs),
    resolve: (path, given, problems) => resolveGroup(path, specs, given, problems),
  };
}

/** Resolves every option of a group; an unknown one is reported. */
export function resolveGroup<const Specs extends AnySpecs>(
  name: string,
  specs: Specs,
  given: unknown,
  problems: OptionProblems,
): OptionValues<Specs> {
  const values = problems.group(name, given);
  problems.refuseUnknownKeys(name, values, Object.keys(specs));
  return mapSpecs(specs, (spec, key) => spec.resolve(`${name}.${key}`, values[key], problems));
}

/** What every option of a group is when it is left out. */
export function defaultsOf<const Specs extends AnySpecs>(specs: Specs): OptionValues<Specs> {
  return mapSpecs(specs, (spec) => spec.fallback);
}

/** True when an option of a group was given, whatever its value. */
export function isGiven(given: unknown, key: string): boolean {
  return typeof given === 'object' && given !== null && (given as Record<string, unknown>)[key] !== undefined;
}

function mapSpecs<Specs extends AnySpecs>(
  specs: Specs,
  toValue: (spec: OptionSpec<unknown>, key: string) => unknown,
): OptionValues<Specs> {
  const entries = Object.entries(specs).map(([key, spec]) => [key, toValue(spec, key)] as const);
  return Object.fromEntries(entries) as OptionValues<Specs>;
}
