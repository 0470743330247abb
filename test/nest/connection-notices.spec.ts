import 'reflect-metadata';
import { ModulesContainer } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { rightsChange } from '../../lib/core/authorization/rights-change.js';
import type { Connection } from '../../lib/core/connection.js';
import { MessageContext } from '../../lib/core/message/message-context.js';
import { ConnectionNotices } from '../../lib/nest/connection-notices.js';
import { principalOf, settle } from '../support/core-harness.js';

const errors: unknown[] = [];
const makeNotices = () =>
  new ConnectionNotices({
    context: new MessageContext(false),
    modules: new ModulesContainer(),
    onError: (error) => errors.push(error),
  });

const change = rightsChange(principalOf('ada', ['guest']), principalOf('ada', ['member']))!;

describe('ConnectionNotices', () => {
  it('tells many clients of a change in order, and a bounded number of them in a turn', async () => {
    const told: number[] = [];
    const connections = Array.from({ length: 250 }, (_, index) => ({
      hearsNotices: true,
      send: () => told.push(index),
    }));
    const notices = makeNotices();
    for (const connection of connections) notices.rightsChanged(connection as unknown as Connection, change);
    expect(told).toEqual([]);
    const perTurn: number[] = [];
    while (told.length < connections.length && perTurn.length < 10) {
      const before = told.length;
      await settle();
      perTurn.push(told.length - before);
    }
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(100);
    expect(told).toEqual(connections.map((_, index) => index));
    notices.rightsChanged(connections[7] as unknown as Connection, change);
    await settle();
    expect(told.at(-1)).toBe(7);
  });

  it('tells nobody who does not know the frame', async () => {
    const sent: string[] = [];
    const connection = { hearsNotices: false, send: (text: string) => sent.push(text) };
    makeNotices().rightsChanged(connection as unknown as Connection, change);
    await settle();
    expect([sent, errors]).toEqual([[], []]);
  });
});
