// Makes load at a steady pace, and watches sockets until the server closes them, in a process of its own. Frames are written as
// they were precomputed; replies are told apart by their length.
import { connect } from 'node:net';
import { answerParent } from '../harness/answering.mjs';
import { makeClientWith } from './client.mjs';
import { clientFrame, serverFrame } from './client-frames.mjs';
import { signToken } from './credentials.mjs';
import { openSocket } from './load-socket.mjs';
import { SteadyEcho } from './steady-echo.mjs';
import { CLOSE_BYTE, Group } from './watched-sockets.mjs';

const OPENING_AT_ONCE = 50;
const REFUSED_WITHIN_MS = 1_000;

/** The sockets of a group, by its name. */
const groups = new Map();

function groupOf(name) {
  if (!groups.has(name)) groups.set(name, new Group());
  return groups.get(name);
}

const COMMANDS = {
  /**
   * Opens a connection for each credential, so many at a time; for bearers it signs the tokens itself, before the clock starts.
   * @returns the milliseconds that it took
   */
  open: async ({ group, port, credentials, bearers, atOnce = OPENING_AT_ONCE }) => {
    const opened = groupOf(group);
    const first = opened.sockets.length;
    const all = credentials ?? signAll(bearers);
    const clients = all.map((credential, index) => makeClientWith('plain', credential, first + index));
    let next = 0;
    const begin = performance.now();
    const lane = async () => {
      while (next < clients.length) opened.add(await openSocket(group, port, clients[next++]));
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, clients.length) }, lane));
    return performance.now() - begin;
  },

  /** How a server refuses a handshake: by its status, or by a Close at once, which is what browsers can read. */
  refusalOf: async ({ port, credential }) => {
    const text = await answerOf(port, makeClientWith('plain', credential, 0));
    const [head, rest = ''] = text.split('\r\n\r\n');
    const status = head.slice('HTTP/1.1 '.length).slice(0, 3);
    if (status !== '101') return status;
    const frame = Buffer.from(rest, 'latin1');
    return frame[0] === CLOSE_BYTE ? `Close ${frame.readUInt16BE(2)}` : 'accepted';
  },

  /** One message there and back on the first socket, compared byte by byte. */
  verify: ({ group, message, reply }) =>
    new Promise((resolve, reject) => {
      const [socket] = groupOf(group).sockets;
      const expected = serverFrame(reply);
      socket.expect(expected.length, (_, chunk) => {
        if (chunk.equals(expected)) resolve();
        else reject(new Error(`${group}: the server replied ${chunk.toString('latin1')}`));
      });
      socket.write(clientFrame(message));
    }),

  /** As many echoes as the server can, one in flight on each connection. @returns how many a second */
  echoAtMost: async ({ group, message, reply, durationMs }) => {
    const { sockets } = groupOf(group);
    const frame = clientFrame(message);
    const { length } = serverFrame(reply);
    const begin = performance.now();
    let echoed = 0;
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve) => {
            socket.expect(length, () => {
              echoed += 1;
              if (performance.now() - begin < durationMs) socket.write(frame);
              else resolve();
            });
            socket.write(frame);
          }),
      ),
    );
    return { perSecond: (echoed / (performance.now() - begin)) * 1_000, echoed };
  },

  startEcho: ({ group, ...load }) => {
    groupOf(group).running = new SteadyEcho(groupOf(group).sockets, load);
  },

  stopEcho: ({ group, from, to }) => groupOf(group).running.stop({ from, to }),

  /** When the Close of each socket came, once there are so many. */
  closes: async ({ group, count }) => {
    await groupOf(group).closes(count);
    return groupOf(group).sockets.map(({ close }) => close ?? null);
  },

  /** Lets go of a group. */
  disconnect: ({ group }) => {
    for (const socket of groupOf(group).sockets) socket.destroy();
    groups.delete(group);
  },
};

/** All that a server says to a handshake, as latin1, until it ends the connection or nothing more has come for long. */
function answerOf(port, { request, localAddress }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress, timeout: REFUSED_WITHIN_MS });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (chunk[0] === CLOSE_BYTE || text.includes('\r\n\r\n\x88')) socket.destroy();
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
    socket.write(request);
  });
}

function signAll({ secret, name, count, ageSeconds = 0 }) {
  const iat = Math.floor(Date.now() / 1_000) - ageSeconds;
  return Array.from({ length: count }, (_, index) => ({
    token: signToken(secret, `${name}-${index}`, { iat, exp: iat + 3_000 }),
  }));
}

answerParent(COMMANDS);
