import type { OptionProblems } from '../option-rules.js';

/** The session cookie. */
export interface CookieOptions {
  /** The name without prefix; `__Host-` is put in front wherever the cookie is Secure. @default 'sid' */
  name?: string;
  /**
   * `auto`: Secure and `__Host-` over TLS, behind a trusted proxy that says https, and on loopback (which browsers trust);
   * plain elsewhere, outside production only. `true`: always Secure.
   * @default 'auto'; production is always Secure
   */
  secure?: 'auto' | true;
  /** `none` is sent across sites and needs `partitioned`. @default 'strict' */
  sameSite?: 'strict' | 'lax' | 'none';
  /** One cookie jar for each top-level site (CHIPS). @default false */
  partitioned?: boolean;
}

/** The cookie options with their values. */
export interface ResolvedCookieOptions {
  readonly name: string;
  readonly secure: 'auto' | true;
  readonly sameSite: 'strict' | 'lax' | 'none';
  readonly partitioned: boolean;
}

const COOKIE_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,64}$/;

/** Validates the `cookie` group. */
export function resolveCookieOptions(
  given: unknown,
  production: boolean,
  problems: OptionProblems,
): ResolvedCookieOptions {
  const group = problems.group('cookie', given);
  problems.refuseUnknownKeys('cookie', group, ['name', 'secure', 'sameSite', 'partitioned']);
  const sameSite = problems.oneOf('cookie.sameSite', group.sameSite, ['strict', 'lax', 'none'], 'strict');
  const partitioned = problems.flag('cookie.partitioned', group.partitioned, false);
  if (sameSite === 'none' && !partitioned) {
    problems.report(
      'option "cookie.sameSite" is "none": set "cookie.partitioned" too, browsers send no other cross-site cookie',
    );
  }
  if (group.secure !== undefined && group.secure !== 'auto' && group.secure !== true) {
    problems.report(
      'option "cookie.secure" must be "auto" or true: a session cookie is never sent in the clear on purpose',
    );
  }
  return {
    name: resolveName(group.name, problems),
    secure: production || group.secure === true || sameSite === 'none' ? true : 'auto',
    sameSite,
    partitioned,
  };
}

function resolveName(given: unknown, problems: OptionProblems): string {
  if (given === undefined) return 'sid';
  if (typeof given !== 'string' || !COOKIE_NAME.test(given)) {
    problems.report('option "cookie.name" must be 1 to 64 characters that a cookie name may have');
    return 'sid';
  }
  if (/^__?(host|secure)/i.test(given) || /^(host|secure)__?/i.test(given)) {
    problems.report(
      `option "cookie.name" is "${given}": leave the prefix out, "__Host-" is added where the cookie is Secure`,
    );
  }
  return given;
}
