import { describeType, type OptionProblems } from '../option-rules.js';
import {
  count,
  defaultsOf,
  durationMs,
  flag,
  group,
  oneOf,
  resolveGroup,
  type OptionSpec,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';
import { describeThrottleProblems, type ThrottleLimit } from './throttle-limit.js';

/** A rate of the option `throttle`. */
export interface RateOptions {
  /** So many in a window. */
  limit?: number;
  /** Milliseconds. */
  windowMs?: number;
  /** So many of them at once. */
  burst?: number;
}

/** How many messages clients may send. Every frame counts, malformed, unknown and refused ones too. */
export interface ThrottleOptions {
  /**
   * The numbers to start from; each can be changed by itself. `chat` lets lively people and their scripts through. `strict`:
   * 100 messages a minute for a connection and 300 for a user, 20 and 60 at once, 3 violations in a minute.
   * @default 'chat'
   */
  preset?: 'chat' | 'strict';
  /** Frames of one connection, counted before they are parsed. @default 3_000 in 60_000 ms, burst 200 */
  perConnection?: RateOptions;
  /** Bytes of one connection, counted before they are parsed. @default 262_144 in 1_000 ms, burst 1_048_576 */
  perConnectionBytes?: RateOptions;
  /**
   * Messages of one user on all its connections; of one address on a public gateway. With `shared`, on all nodes together.
   * @default 6_000 in 60_000 ms, burst 400, shared
   */
  perUser?: RateOptions & { shared?: boolean };
  /** Malformed messages and unknown events of one connection that are answered and forgiven; further ones are violations. @default 20 in 60_000 ms, burst 20 */
  malformed?: RateOptions;
  /** Messages of one connection that were refused by a limit; beyond it the connection is closed 4429. @default 20 in 10_000 ms, burst 20 */
  violations?: RateOptions;
  /** Limits for the messages of every handler, as `@WsThrottle()` takes them. @default [] */
  limits?: readonly ThrottleLimit[];
}

const LIMITS: OptionSpec<readonly ThrottleLimit[]> = {
  fallback: [],
  resolve: (path, given, problems) => {
    if (given === undefined) return [];
    if (!Array.isArray(given)) {
      problems.report(
        `option "${path}" must be a list of limits such as { limit: 10, windowMs: 1_000 }, received ${describeType(given)}`,
      );
      return [];
    }
    const sentences = given.flatMap((limit, index) =>
      describeThrottleProblems(limit, `option "${path}[${index}]"`),
    );
    for (const sentence of sentences) problems.report(sentence);
    return sentences.length > 0 ? [] : given;
  },
};

const PRESETS = ['chat', 'strict'] as const;

const CHAT = {
  preset: oneOf(PRESETS, 'chat'),
  perConnection: rate(3_000, 60_000, 200),
  perConnectionBytes: rate(262_144, 1_000, 1_048_576),
  perUser: group({ ...rateSpecs(6_000, 60_000, 400), shared: flag(true) }),
  malformed: rate(20, 60_000, 20),
  violations: rate(20, 10_000, 20),
  limits: LIMITS,
} satisfies OptionSpecs<ThrottleOptions>;

const STRICT = {
  ...CHAT,
  perConnection: rate(100, 60_000, 20),
  perUser: group({ ...rateSpecs(300, 60_000, 60), shared: flag(true) }),
  violations: rate(3, 60_000, 3),
} satisfies OptionSpecs<ThrottleOptions>;

/** The throttle options with their values. */
export type ResolvedThrottleOptions = OptionValues<typeof CHAT>;

export const THROTTLE_DEFAULTS: ResolvedThrottleOptions = defaultsOf(CHAT);

/** Validates the `throttle` group. */
export function resolveThrottleOptions(given: unknown, problems: OptionProblems): ResolvedThrottleOptions {
  const isStrict =
    typeof given === 'object' && given !== null && (given as { preset?: unknown }).preset === 'strict';
  return resolveGroup('throttle', isStrict ? STRICT : CHAT, given, problems);
}

function rateSpecs(limit: number, windowMs: number, burst: number) {
  return { limit: count(limit), windowMs: durationMs(windowMs), burst: count(burst) };
}

function rate(limit: number, windowMs: number, burst: number) {
  return group(rateSpecs(limit, windowMs, burst));
}
