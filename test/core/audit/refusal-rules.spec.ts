import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CONNECTION_RULES } from '../../../lib/core/audit/connection-rules.js';
import { CREDENTIAL_RULES } from '../../../lib/core/audit/credential-rules.js';
import { HANDSHAKE_RULES } from '../../../lib/core/audit/handshake-rules.js';
import { labelOfReason, ruleOfReason } from '../../../lib/core/audit/refusal-rules.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const RULES = { ...HANDSHAKE_RULES, ...CREDENTIAL_RULES, ...CONNECTION_RULES };

/** Everything that the library says when it refuses or ends something, as its source has it. */
function reasonsInSource(): string[] {
  const files = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' });
  const sources = files
    .filter((file) => file.endsWith('.ts') && /^(core|nest)/.test(file))
    .map((file) => readFileSync(join(ROOT, 'lib', file), 'utf8'));
  const patterns: [pattern: RegExp, prefix: string][] = [
    [/new HandshakeRefused\(\s*'[a-z_]+',\s*'([a-z_]+)'/g, ''],
    [/\bunauthorized\((?:attempt, )?'([a-z_]+)'\)/g, ''],
    [/new TokenRejected\('([a-z_]+)'/g, 'token_'],
    [/\breason: '([a-z_]+)'/g, ''],
    [/this\.#refuse\(CLOSE\.\w+, '([a-z_]+)'\)/g, ''],
    [/#endBad\(connection, '([a-z_]+)'\)/g, ''],
    [/#end\(socket, CLOSE\.\w+, '([a-z_]+)'\)/g, ''],
    [/upgradeRequired\('([a-z_]+)'\)/g, ''],
    [/cut\(\w+, '([a-z_]+)'\)/g, ''],
  ];
  const found = sources.flatMap((source) =>
    patterns.flatMap(([pattern, prefix]) => [...source.matchAll(pattern)].map(([, name]) => prefix + name)),
  );
  return [...new Set(found)].filter((reason) => !NO_REFUSALS.has(reason));
}

/** What is asked of a client, and why a ban begins and ends. */
const NO_REFUSALS = new Set(['step_up', 'operator', 'logged_in']);

describe('the rules behind reason codes', () => {
  it('are there for everything that the library says', () => {
    const reasons = reasonsInSource();
    expect(reasons.length).toBeGreaterThan(80);
    expect(reasons.filter((reason) => labelOfReason(reason) === 'other')).toEqual([]);
  });

  it('name rows of the table of requirements', () => {
    const table = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
    const rows = new Set([...table.matchAll(/^\| ([A-Z]{2}-\d\d) /gm)].map(([, id]) => id));
    for (const [reason, { rule }] of Object.entries(RULES)) expect(rows, reason).toContain(rule);
  });

  it('name options that the options page has', () => {
    const page = readFileSync(join(ROOT, 'docs/options.md'), 'utf8');
    const unknown = Object.values(RULES).flatMap(({ option }) => {
      const path = option ?? 'origins';
      // Options of a group stand on its part of the page by their own name.
      const names = [path, path.slice(path.indexOf('.') + 1)];
      return names.some((name) => page.includes(`\`${name}`)) ? [] : [path];
    });
    expect(unknown).toEqual([]);
  });

  it('say what was found and what to do, in sentences', () => {
    for (const [reason, { why, fix }] of Object.entries(RULES)) {
      expect(why, reason).toMatch(/^[A-Z].*[.?]$/);
      expect(fix, reason).toMatch(/^[A-Z].*[.?]$/);
    }
  });

  it('are of a family where the application has named a part', () => {
    expect(labelOfReason('duplicate_header_origin')).toBe('duplicate_header');
    expect(labelOfReason('message_rate:perUser')).toBe('message_rate');
    expect(labelOfReason('api-key_refused')).toBe('credential_refused');
    expect(labelOfReason('api-key_unreadable')).toBe('credential_unreadable');
    expect(ruleOfReason('basic_refused').rule).toBe('CR-06');
  });

  it('are those of revocations for a word of the application, which labels nothing', () => {
    expect(labelOfReason('password_changed')).toBe('other');
    expect(ruleOfReason('password_changed').rule).toBe('SE-01');
    expect(labelOfReason('__proto__')).toBe('other');
  });
});
