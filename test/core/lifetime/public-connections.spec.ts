import { beforeEach, describe, expect, it } from 'vitest';
import { CLOSE } from '../../../lib/core/close-code.js';
import { PublicConnections, type PublicConnection } from '../../../lib/core/lifetime/public-connections.js';
import { coreHarness, HANDSHAKE, type CoreHarness } from '../../support/core-harness.js';

const MINUTE = 60_000;

describe('PublicConnections', () => {
  let core: CoreHarness;
  let connections: PublicConnections;

  beforeEach(() => build());

  function build(lifetime: object = {}): void {
    core = coreHarness({ options: { lifetime } });
    const { lifetime: sweep, audit, clock } = core;
    connections = new PublicConnections({ lifetime: sweep, audit, clock, closeCodes: 'project' });
  }

  /** A public socket whose peer answers pings, unless a test says otherwise. */
  function open() {
    const socket = { answers: true, pings: 0, cuts: 0, closes: [] as [number, string][] };
    const connection: PublicConnection = connections.open(HANDSHAKE, {
      send: () => {},
      close: (code, reason) => socket.closes.push([code, reason]),
      terminate: () => (socket.cuts += 1),
      isReadingPaused: false,
      ping: (payload) => {
        socket.pings += 1;
        if (socket.answers) connection.watch!.pong(payload);
      },
    });
    return Object.assign(socket, { connection });
  }

  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) await core.advance(Math.min(left, 1_000));
  }

  it('are closed 4408 when they send no message for too long (LT-03)', async () => {
    const socket = open();
    const { connection, closes } = socket;
    await pass(14 * MINUTE);
    connections.noteMessage(connection);
    await pass(14 * MINUTE);
    expect(connection.isOpen).toBe(true);
    await pass(MINUTE + 50);
    expect(closes).toEqual([[4408, 'idle_timeout;id=correlation-1']]);
    expect(connection.isOpen).toBe(false);
    expect(socket.pings).toBeGreaterThan(50);
    expect(core.events).toMatchObject([
      {
        event: 'connection_closed',
        reasonCode: 'idle_timeout',
        closeCode: 4408,
        method: 'public',
        path: '/ws',
      },
    ]);
  });

  it('are cut when they do not answer a ping (LT-04)', async () => {
    const socket = open();
    socket.answers = false;
    await pass(41_000);
    expect([socket.cuts, socket.closes, socket.connection.isOpen]).toEqual([1, [], false]);
    expect(core.events).toMatchObject([{ reasonCode: 'heartbeat_timeout', closeCode: 1006 }]);
    expect(core.wheel.size).toBe(0);
  });

  it('have a longest life (LT-01)', async () => {
    build({ maxMs: 5 * MINUTE });
    const { closes } = open();
    await pass(5 * MINUTE + 50);
    expect(closes).toEqual([[4419, 'expired;id=correlation-1']]);
  });

  it('are held against no store', async () => {
    const { connection } = open();
    await pass(5 * MINUTE);
    expect([connection.isOpen, core.errors]).toEqual([true, []]);
  });

  it('end once', () => {
    const { connection, closes } = open();
    expect(connections.end(connection, { close: CLOSE.badMessage, reason: 'x', retryAfterMs: 5 })).toBe(true);
    expect(connections.end(connection, { close: CLOSE.error, reason: 'y' })).toBe(false);
    expect(closes).toEqual([[4400, 'bad_message;retry=5;id=correlation-1']]);
    expect(core.events).toHaveLength(1);
  });

  it('are cut once, for whatever reason', () => {
    const socket = open();
    expect(connections.cut(socket.connection, 'not_reading')).toBe(true);
    expect(connections.cut(socket.connection, 'again')).toBe(false);
    expect([socket.cuts, core.wheel.size]).toEqual([1, 0]);
    expect(core.events).toMatchObject([{ reasonCode: 'not_reading', closeCode: 1006 }]);
  });

  it('leave nothing behind when the client goes', () => {
    const { connection } = open();
    expect(core.wheel.size).toBe(1);
    connections.closed(connection);
    connections.closed(connection);
    expect([core.wheel.size, core.events]).toEqual([0, []]);
  });
});
