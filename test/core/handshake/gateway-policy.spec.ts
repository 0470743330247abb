import { describe, expect, it } from 'vitest';
import { describePolicyDifference, type GatewayPolicy } from '../../../lib/core/handshake/gateway-policy.js';
import { OriginPolicy } from '../../../lib/core/handshake/origin-policy.js';

function policy(change: Partial<GatewayPolicy> = {}): GatewayPolicy {
  return {
    path: '/ws',
    access: 'authenticated',
    origins: new OriginPolicy(['https://a.example', 'https://b.example']),
    missingOrigin: 'explicit',
    credentials: new Set(['ticket', 'cookie'] as const),
    protocols: ['app.v1'],
    refuseBrowsersWith: 'close-code',
    roles: ['user', 'editor'],
    scopes: ['read'],
    ...change,
  };
}

describe('describePolicyDifference', () => {
  it('finds none between policies that are the same', () => {
    expect(describePolicyDifference(policy(), policy())).toBeNull();
  });

  it('does not ask for the same order where order has no meaning', () => {
    const other = policy({
      origins: new OriginPolicy(['https://b.example', 'https://a.example']),
      credentials: new Set(['cookie', 'ticket'] as const),
      roles: ['editor', 'user'],
    });
    expect(describePolicyDifference(policy(), other)).toBeNull();
  });

  it.each([
    ['access', { access: 'public' }, 'one is public and the other is not'],
    ['origins', { origins: new OriginPolicy(['https://a.example']) }, 'their origins differ'],
    ['missingOrigin', { missingOrigin: 'refuse' }, 'their missingOrigin differs'],
    ['credentials', { credentials: new Set(['ticket']) }, 'their credentials differ'],
    ['other credentials', { credentials: new Set(['ticket', 'bearer']) }, 'their credentials differ'],
    ['protocols', { protocols: ['app.v2'] }, 'their protocols differ'],
    ['refuseBrowsersWith', { refuseBrowsersWith: 'http-status' }, 'their refuseBrowsersWith differs'],
    ['roles', { roles: ['user'] }, 'their @WsRoles differ'],
    ['scopes', { scopes: ['write'] }, 'their @WsScopes differ'],
    ['other roles', { roles: ['user', 'admin'] }, 'their @WsRoles differ'],
  ] as [string, Partial<GatewayPolicy>, string][])(
    'tells that %s differ, from either side',
    (_, change, sentence) => {
      expect(describePolicyDifference(policy(), policy(change))).toBe(sentence);
      expect(describePolicyDifference(policy(change), policy())).toBe(sentence);
    },
  );

  it('heeds the order of subprotocols, which is a preference', () => {
    const [ab, ba] = [policy({ protocols: ['a', 'b'] }), policy({ protocols: ['b', 'a'] })];
    expect(describePolicyDifference(ab, ba)).toBe('their protocols differ');
  });

  it('is not misled by a role that is named twice', () => {
    const [twice, two] = [policy({ roles: ['user', 'user'] }), policy({ roles: ['user', 'admin'] })];
    expect(describePolicyDifference(twice, two)).toBe('their @WsRoles differ');
    expect(describePolicyDifference(two, twice)).toBe('their @WsRoles differ');
    expect(describePolicyDifference(twice, policy({ roles: ['user'] }))).toBeNull();
  });
});
