import { describe, expect, it } from 'vitest';
import { parseReference, referenceOf } from '../../lib/cli/session-reference.js';
import type { Session } from '../../lib/core/session/session.js';

const USER_HASH = 'AAAAbbbbCCCCdd-_';
const REFERENCE = '0123456789abcdef0123456789abcdef';

describe('a session reference', () => {
  it('says where the session is and what the log calls it, and not its id', () => {
    const session = { id: `${USER_HASH}.${'x'.repeat(22)}` } as Session;
    const text = referenceOf(session, { referenceOf: () => REFERENCE });
    expect(text).toBe(`${USER_HASH}.${REFERENCE}`);
    expect(parseReference(text)).toEqual({ userHash: USER_HASH, reference: REFERENCE });
  });

  it('is taken as the audit log has it', () => {
    expect(parseReference(REFERENCE)).toEqual({ userHash: undefined, reference: REFERENCE });
  });

  it.each([
    '',
    `${USER_HASH}.${'x'.repeat(22)}`,
    `${USER_HASH}.${'x'.repeat(43)}`,
    `${USER_HASH}.${REFERENCE}0`,
    `${USER_HASH}.${REFERENCE.toUpperCase()}`,
    `*.${REFERENCE}`,
    ` ${REFERENCE}`,
  ])('is not %j', (text) => {
    expect(parseReference(text)).toBeNull();
  });
});
