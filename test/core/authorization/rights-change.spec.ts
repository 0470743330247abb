import { describe, expect, it } from 'vitest';
import { namesOf, rightsChange } from '../../../lib/core/authorization/rights-change.js';

const before = { id: 'ada', roles: ['member', 'admin'], scopes: ['read'] };

describe('rightsChange', () => {
  it('says what was added and what removed, roles and scopes apart', () => {
    const after = { id: 'ada', roles: ['member', 'guest'], scopes: ['read', 'admin'] };
    expect(rightsChange(before, after)).toEqual({
      before,
      added: { roles: ['guest'], scopes: ['admin'] },
      removed: { roles: ['admin'], scopes: [] },
    });
  });

  it('is nothing for the same rights, in whatever lists and order', () => {
    expect(rightsChange(before, before)).toBeUndefined();
    expect(rightsChange(before, { ...before, roles: ['admin', 'member'], scopes: ['read'] })).toBeUndefined();
  });

  it('names what is role and scope at once a single time', () => {
    expect(namesOf({ roles: ['admin', 'guest'], scopes: ['admin'] })).toEqual(['admin', 'guest']);
  });
});
