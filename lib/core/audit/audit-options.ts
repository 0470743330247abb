import { describeType, type OptionProblems } from '../option-rules.js';
import {
  defaultsOf,
  flag,
  resolveGroup,
  strings,
  type OptionSpec,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';
import type { AuditSink } from './audit-sink.js';

/** What can be told instead of refused. Credentials are not among them. */
export type ReportOnly = 'origin' | 'throttle' | 'policy';

/** The audit log. */
export interface AuditOptions {
  /** Write one line for each event through Nest's logger. @default true */
  log?: boolean;
  /** Where events go besides. Each sink has a queue of 10,000 events. @default [] */
  sinks?: readonly AuditSink[];
  /**
   * Rules that tell what they would refuse, and refuse nothing: for the weeks in which a rule is tried out. `origin`: an
   * Origin that is not listed, but never beside a cookie or anything else that a browser sends by itself. `throttle`: the
   * limits on messages. `policy`: what handlers ask of a principal. Each is warned about at every boot.
   * @default []
   */
  reportOnly?: readonly ReportOnly[];
}

const SINK_NAME = /^[a-z0-9][a-z0-9_.-]{0,31}$/i;
const REPORTABLE: readonly string[] = ['origin', 'throttle', 'policy'] satisfies ReportOnly[];

const SINKS: OptionSpec<readonly AuditSink[]> = {
  fallback: [],
  resolve: (path, given, problems) => {
    if (given === undefined) return [];
    if (!Array.isArray(given)) {
      problems.report(
        `option "${path}" must be a list of sinks such as { name: 'siem', write: (events) => … }, received ${describeType(given)}`,
      );
      return [];
    }
    const sinks = given.filter(isSink);
    if (sinks.length < given.length)
      problems.report(
        `option "${path}": a sink has a "name" of at most 32 letters, digits, "_", "." and "-", and a function "write"`,
      );
    if (new Set(sinks.map(({ name }) => name)).size < sinks.length)
      problems.report(`option "${path}": two sinks have the same "name"; give each its own`);
    return sinks;
  },
};

const SPECS = {
  log: flag(true),
  sinks: SINKS,
  reportOnly: strings(
    (entry) => REPORTABLE.includes(entry),
    'what may be told instead of refused: "origin", "throttle", "policy"',
  ) as OptionSpec<readonly ReportOnly[]>,
} satisfies OptionSpecs<AuditOptions>;

/** The options with their values. */
export type ResolvedAuditOptions = OptionValues<typeof SPECS>;

export const AUDIT_DEFAULTS = defaultsOf(SPECS);

/** Validates the `audit` group. */
export function resolveAuditOptions(given: unknown, problems: OptionProblems): ResolvedAuditOptions {
  return resolveGroup('audit', SPECS, given, problems);
}

function isSink(sink: unknown): sink is AuditSink {
  const { name, write } = (sink ?? {}) as Partial<AuditSink>;
  return typeof name === 'string' && SINK_NAME.test(name) && typeof write === 'function';
}
