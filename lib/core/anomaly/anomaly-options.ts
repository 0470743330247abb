import { parseCidr } from '../handshake/client-address.js';
import type { OptionProblems } from '../option-rules.js';
import {
  countOrInfinity,
  defaultsOf,
  durationMs,
  flag,
  group,
  oneOf,
  resolveGroup,
  strings,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';

/**
 * What an anomaly rule does beside telling. `back-off`: the address is banned for a second, and for twice as long with each
 * further time. `ban`: for `banMs`, on all nodes. `revoke`: the session ends on all nodes. `step-up`: handlers with
 * `@WsRecentAuth()` ask the connection for a fresh credential, however recent its last one is.
 */
export type AnomalyAction = 'none' | 'back-off' | 'ban' | 'revoke' | 'step-up';

/** A rule about what many attempts have in common. */
export interface AnomalyRuleOptions<Action extends AnomalyAction = 'none' | 'back-off' | 'ban'> {
  /** So many within the window, on all nodes together; `Infinity` for never. */
  threshold?: number;
  /** From the first of them. */
  windowMs?: number;
  /** @default 'none': the event is all there is */
  action?: Action;
}

/** What looks like an attack, and what is done about it. Each is told once in its window, as `anomaly_detected`. */
export interface AnomalyOptions {
  /** One address presents tickets that were used before. @default 3 in 600_000 ms */
  ticketReplayed?: AnomalyRuleOptions;
  /** One address presents tickets of another origin, path or session. @default 3 in 600_000 ms */
  ticketWrongBinding?: AnomalyRuleOptions;
  /** Credentials from one address that do not verify. @default 50 in 900_000 ms */
  failuresOfAddress?: AnomalyRuleOptions;
  /**
   * The same for one ticket or claimed user, from wherever. What is done is done to an address from which half of the
   * threshold came, on this node. @default 20 in 900_000 ms
   */
  failuresOfCredential?: AnomalyRuleOptions;
  /** After so many failures an address succeeds: of the same user, where one is claimed. @default 5 in 900_000 ms */
  successAfterFailures?: AnomalyRuleOptions<'none' | 'step-up'>;
  /** One session connects from more addresses than this. @default 5 in 3_600_000 ms */
  sessionOnManyAddresses?: AnomalyRuleOptions<'none' | 'step-up' | 'revoke'>;
  /** One address sends the session cookie twice: it is the victim of a page of another subdomain. @default 3 in 600_000 ms */
  cookieTossing?: AnomalyRuleOptions<'none'>;
  /** How long a ban lasts, and a back-off at most. @default 900_000 ms */
  banMs?: number;
  /**
   * Rules ban no address from which somebody has logged in within the hour, on any node: others there would be locked out
   * with the attacker. What is left against that one are the limits on rates and failures. @default true
   */
  spareLoggedIn?: boolean;
  /** Addresses and networks that rules never ban: the own office, a monitor. @default [] */
  neverBan?: readonly string[];
}

const BY_ADDRESS = ['none', 'back-off', 'ban'] as const;
const MINUTES = 60_000;

function rule<const Action extends AnomalyAction>(
  threshold: number,
  windowMs: number,
  actions: readonly Action[],
) {
  return group({
    threshold: countOrInfinity(threshold),
    windowMs: durationMs(windowMs),
    action: oneOf(actions, 'none' as NoInfer<Action>),
  });
}

const SPECS = {
  ticketReplayed: rule(3, 10 * MINUTES, BY_ADDRESS),
  ticketWrongBinding: rule(3, 10 * MINUTES, BY_ADDRESS),
  failuresOfAddress: rule(50, 15 * MINUTES, BY_ADDRESS),
  failuresOfCredential: rule(20, 15 * MINUTES, BY_ADDRESS),
  successAfterFailures: rule(5, 15 * MINUTES, ['none', 'step-up']),
  sessionOnManyAddresses: rule(5, 60 * MINUTES, ['none', 'step-up', 'revoke']),
  cookieTossing: rule(3, 10 * MINUTES, ['none']),
  banMs: durationMs(15 * MINUTES),
  spareLoggedIn: flag(true),
  neverBan: strings((entry) => parseCidr(entry) !== null, 'addresses and networks such as "10.0.0.0/8"'),
} satisfies OptionSpecs<AnomalyOptions>;

/** The options with their values. */
export type ResolvedAnomalyOptions = OptionValues<typeof SPECS>;

/** The rules by name. */
export type AnomalyRuleName = Exclude<keyof ResolvedAnomalyOptions, 'banMs' | 'spareLoggedIn' | 'neverBan'>;

export const ANOMALY_DEFAULTS: ResolvedAnomalyOptions = defaultsOf(SPECS);

/** Validates the `anomalies` group. */
export function resolveAnomalyOptions(given: unknown, problems: OptionProblems): ResolvedAnomalyOptions {
  return resolveGroup('anomalies', SPECS, given, problems);
}
