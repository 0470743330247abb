import { CONNECTION_RULES } from './connection-rules.js';
import { CREDENTIAL_RULES } from './credential-rules.js';
import { HANDSHAKE_RULES } from './handshake-rules.js';
import type { RefusalRule } from './refusal-rule.js';

const RULES: ReadonlyMap<string, RefusalRule> = new Map(
  Object.entries({ ...HANDSHAKE_RULES, ...CREDENTIAL_RULES, ...CONNECTION_RULES }),
);

/** Reason codes that end in a name of the application's: a header, a limit, the kind of a reader. */
const FAMILIES: readonly [pattern: RegExp, name: string][] = [
  [/^duplicate_header_[a-z_]+$/, 'duplicate_header'],
  [/^message_rate:/, 'message_rate'],
  [/^[a-z][a-z0-9-]*_refused$/, 'credential_refused'],
  [/^[a-z][a-z0-9-]*_unreadable$/, 'credential_unreadable'],
];

/**
 * The reason code as it may label a metric: one of a fixed set. What an application has put into it, such as the reason of a
 * revocation, is `other`.
 */
export function labelOfReason(reasonCode: string): string {
  if (RULES.has(reasonCode)) return reasonCode;
  return FAMILIES.find(([pattern]) => pattern.test(reasonCode))?.[1] ?? 'other';
}

/** The rule behind a reason code; for one that only the application knows, that of revocations. */
export function ruleOfReason(reasonCode: string): RefusalRule {
  return RULES.get(reasonCode) ?? RULES.get(labelOfReason(reasonCode)) ?? RULES.get('revoked')!;
}
