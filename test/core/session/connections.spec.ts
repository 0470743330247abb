import { beforeEach, describe, expect, it } from 'vitest';
import { CLOSE } from '../../../lib/core/close-code.js';
import type { Connection } from '../../../lib/core/connection.js';
import { newId, newSessionToken, sessionIdOf } from '../../../lib/core/identifiers.js';
import { MessageContext } from '../../../lib/core/message/message-context.js';
import { Connections } from '../../../lib/core/session/connections.js';
import {
  coreHarness,
  grantOf,
  HANDSHAKE,
  principalOf,
  record,
  sessionOf,
  type CoreHarness,
} from '../../support/core-harness.js';
import { interpose } from '../../support/interpose.js';

describe('Connections', () => {
  let core: CoreHarness;
  let connections: Connections;
  let token: string;
  let ofU1: Connection[];
  let ofU2: Connection;

  beforeEach(() => {
    core = coreHarness();
    connections = new Connections(
      core.connections,
      core.stores.connections,
      core.userHashKey,
      new MessageContext(false),
    );
    token = newSessionToken(core.hashOf('u1'));
    const session = sessionOf(core.hashOf('u1'), { id: sessionIdOf(token)! });
    ofU1 = [open('u1', { session }), open('u1')];
    ofU2 = open('u2');
  });

  function open(user: string, change: Parameters<typeof grantOf>[0] = {}): Connection {
    const grant = grantOf({ principal: principalOf(user), userHash: core.hashOf(user), ...change });
    return core.connections.open(newId(), HANDSHAKE, grant, '0-0', undefined);
  }

  it('lists the connections of this node, and those of a user', () => {
    expect(connections.local()).toEqual([...ofU1, ofU2]);
    expect(connections.ofUser('u1')).toEqual(ofU1);
    expect(connections.ofUser('nobody')).toEqual([]);
  });

  it('lists where a user is connected on all nodes, by session', async () => {
    const { session } = await core.sessions.create({ userId: 'u3' });
    const userHash = core.hashOf('u3');
    const basis = { mode: 'session', sessionId: session.id, userHash } as const;
    const limits = { maxPerUser: 9, maxPerSession: 9, onLimit: 'reject', deadline: Infinity } as const;
    const asked = { connectionId: newId(), basis, ...limits, touch: false, rate: undefined };
    await core.stores.connections.admit(asked);
    const place = { id: asked.connectionId, node: 'node-1', sessionId: session.id, since: core.clock() };
    expect(await connections.onAllNodes('u3')).toEqual([place]);
    expect(await connections.onAllNodes('nobody')).toEqual([]);
  });

  it('closes one by its id', () => {
    const { closes } = record(ofU2);
    expect(connections.close({ connection: ofU2.id })).toBe(1);
    expect(closes).toEqual([{ code: 4403, reason: 'forbidden;id=correlation-1' }]);
    expect(connections.local()).toEqual(ofU1);
    expect(connections.close({ connection: ofU2.id })).toBe(0);
  });

  it('closes those of a session, by its id or its token', () => {
    expect(connections.close({ session: token })).toBe(1);
    expect(ofU1.map(({ isOpen }) => isOpen)).toEqual([false, true]);
    expect(connections.close({ session: sessionIdOf(token)! })).toBe(0);
  });

  it('closes those of a user with the code that is asked for, and tells the audit log', () => {
    const { closes } = record(ofU1[0]!);
    expect(connections.close({ user: 'u1' }, CLOSE.tryLater)).toBe(2);
    expect(closes).toEqual([{ code: 1013, reason: 'try_later;id=correlation-1' }]);
    expect(core.events).toMatchObject([
      { event: 'connection_closed', reasonCode: 'try_later', closeCode: 1013, principal: 'u1' },
      { event: 'connection_closed', reasonCode: 'try_later', closeCode: 1013, principal: 'u1' },
    ]);
    expect(ofU2.isOpen).toBe(true);
  });

  it('fences all of a user before it tells the first, whatever that does (SE-02)', () => {
    const seen: boolean[][] = [];
    const [first, second] = ofU1.map(record);
    interpose(ofU1[0]!.transport!, 'close', (close) => (code, reason) => {
      seen.push(ofU1.map(({ isOpen }) => isOpen));
      close(code, reason);
      throw new Error('of this one');
    });
    core.audit.subscribe(() => {
      seen.push(ofU1.map(({ isOpen }) => isOpen));
    });
    expect(connections.close({ user: 'u1' })).toBe(2);
    expect(seen).toEqual([1, 2, 3].map(() => [false, false]));
    expect([first, second].map((one) => one!.closes.length)).toEqual([1, 1]);
    expect(core.errors).toMatchObject([{ message: 'of this one' }]);
    // What was closed is not closed again.
    expect(connections.close({ user: 'u1' })).toBe(0);
  });

  it('refuses a session that is neither id nor token', () => {
    expect(() => connections.close({ session: 'nonsense' })).toThrow(/session is named/);
  });
});
