import 'reflect-metadata';
import { describe, expect, it } from 'vitest';
import { NO_RULES } from '../../lib/core/authorization/authorization-rules.js';
import { WsPolicy, WsRecentAuth, WsRoles, WsScopes } from '../../lib/index.js';
import { declaredRules, describeRuleProblems } from '../../lib/nest/declared-rules.js';
import { HandlerRules } from '../../lib/nest/handler-rules.js';

class Base {
  plain() {}
  @WsRoles('editor')
  edit() {}
}

@WsRoles('member')
@WsScopes('chat')
@WsRecentAuth('5m')
class Members extends Base {}

class Guests extends Base {}

const { plain, edit } = Base.prototype;

describe('HandlerRules', () => {
  it('are those of the method, and of the class for what it leaves out, for each class that inherits it', () => {
    const rules = new HandlerRules();
    for (let look = 0; look < 2; look += 1) {
      expect(rules.of(edit, Members)).toMatchObject({
        roles: ['editor'],
        scopes: ['chat'],
        maxAuthAgeMs: 300_000,
      });
      expect(rules.of(edit, Guests)).toMatchObject({ roles: ['editor'], scopes: [], maxAuthAgeMs: Infinity });
      expect(rules.of(plain, Members)).toMatchObject({ roles: ['member'] });
      expect(rules.of(plain, Guests)).toBe(NO_RULES);
    }
    expect(rules.of(edit, Members)).toBe(rules.of(edit, Members));
  });

  it('add up where decorators of one kind are stacked, as those of an application may be', () => {
    const [first, second] = [() => true, () => false];
    @WsRoles('member')
    @WsRoles('guest', 'member')
    @WsRecentAuth('5m')
    @WsRecentAuth('1h')
    class Stacked {
      @WsScopes('read')
      @WsScopes()
      @WsRecentAuth('1h')
      @WsRecentAuth(5)
      say() {}
      @WsPolicy(first)
      @WsPolicy(second)
      ask() {}
      @WsRecentAuth('1h')
      @WsRecentAuth('never' as never)
      wait() {}
    }
    const { say, ask, wait } = Stacked.prototype;
    expect(declaredRules(say, Stacked)).toMatchObject({
      roles: ['member', 'guest'],
      scopes: ['read'],
      maxAuthAgeMs: 5,
    });
    expect(declaredRules(ask, Stacked)).toMatchObject({ policies: [first, second], maxAuthAgeMs: 300_000 });
    expect(describeRuleProblems(wait, 'wait()').join()).toContain('received "never"');
    class Heir extends Stacked {}
    WsRoles('heir')(Heir);
    expect([declaredRules(ask, Heir).roles, declaredRules(ask, Stacked).roles]).toEqual([
      ['heir'],
      ['member', 'guest'],
    ]);
  });

  it('with policies are not made before it is known where to look for them', () => {
    @WsPolicy(() => true)
    class Asked extends Base {}
    expect(() => new HandlerRules().of(plain, Asked)).toThrow(/are not loaded yet/);
  });
});
