import { beforeEach, describe, expect, it } from 'vitest';
import { ConnectionTable } from '../../../lib/core/session/connection-table.js';
import { grantOf, looseConnection, sessionOf } from '../../support/core-harness.js';

const USER = 'user-hash-000001';

describe('ConnectionTable', () => {
  let table: ConnectionTable;

  beforeEach(() => {
    table = new ConnectionTable();
  });

  it('finds a connection by id, user, session and token', () => {
    const session = sessionOf(USER);
    const connection = looseConnection({ userHash: USER, session, tokenHash: 'token' });
    table.add(connection);
    expect(table.get(connection.id)).toBe(connection);
    expect(table.ofUser(USER)).toEqual([connection]);
    expect(table.ofSession(session.id)).toEqual([connection]);
    expect(table.ofToken('token')).toEqual([connection]);
    expect(table.all()).toEqual([connection]);
    expect(table.size).toBe(1);
  });

  it('finds nothing that is not there', () => {
    expect(table.get('x')).toBeUndefined();
    expect([table.ofUser('x'), table.ofSession('x'), table.ofToken('x'), table.all()]).toEqual([
      [],
      [],
      [],
      [],
    ]);
  });

  it('finds all connections that share a key, and those that are left when one goes', () => {
    const connections = [1, 2, 3].map(() => looseConnection({ userHash: USER, tokenHash: 'token' }));
    for (const connection of connections) table.add(connection);
    expect(table.ofUser(USER)).toEqual(connections);
    expect(table.remove(connections[1]!)).toBe(true);
    expect(table.ofUser(USER)).toEqual([connections[0], connections[2]]);
    table.remove(connections[0]!);
    table.remove(connections[2]!);
    expect([table.ofUser(USER), table.ofToken('token'), table.size]).toEqual([[], [], 0]);
  });

  it('removes a connection once', () => {
    const connection = looseConnection();
    table.add(connection);
    expect([table.remove(connection), table.remove(connection)]).toEqual([true, false]);
  });

  it('hands out lists that may be changed while they are walked', () => {
    const connections = [1, 2, 3].map(() => looseConnection({ userHash: USER }));
    for (const connection of connections) table.add(connection);
    let seen = 0;
    for (const connection of table.ofUser(USER)) seen += Number(table.remove(connection));
    expect([seen, table.size]).toEqual([3, 0]);
  });

  it('finds a connection under its new session and token after an update, and not under the old', () => {
    const [before, after] = [sessionOf(USER), sessionOf(USER)];
    const connection = looseConnection({ userHash: USER, session: before, tokenHash: 'old' });
    table.add(connection);
    table.update(connection, () =>
      connection.renew(grantOf({ userHash: USER, session: after, tokenHash: 'new' })),
    );
    expect([table.ofSession(before.id), table.ofToken('old')]).toEqual([[], []]);
    expect([table.ofSession(after.id), table.ofToken('new')]).toEqual([[connection], [connection]]);
    table.remove(connection);
    expect([table.ofSession(after.id), table.ofToken('new'), table.ofUser(USER)]).toEqual([[], [], []]);
  });

  it('does not take in a connection by an update', () => {
    const connection = looseConnection({ userHash: USER });
    table.update(connection, () => connection.renew(grantOf({ userHash: USER, tokenHash: 'new' })));
    expect([table.size, table.ofUser(USER), table.ofToken('new')]).toEqual([0, [], []]);
    expect(connection.grant.tokenHash).toBe('new');
  });
});
