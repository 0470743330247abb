// Makes the load, in a process of its own: frames are written as they were precomputed, replies are counted by their
// length. It does as little as it can, so that the server is what is measured.
import { connect } from 'node:net';
import { clientFrame, serverFrame } from './client-frames.mjs';
import { ORIGIN, signToken } from './credentials.mjs';

const CONNECTING_AT_ONCE = 100;
const PING = 0x89;

/** The sockets of a server, by the name of the server. */
const groups = new Map();

/** An open WebSocket connection that knows no more than what the load needs. */
class LoadSocket {
  onBytes = undefined;
  #socket;

  constructor(socket, server) {
    this.#socket = socket;
    // A connection that ends makes every figure wrong, so it ends the run.
    socket.on('close', () => {
      if (this.#socket) throw new Error(`${server} ended a connection, after ${last}`);
    });
    let last = 'nothing';
    socket.on('data', (chunk) => {
      last = chunk.subarray(-100).toString('latin1');
      if (this.onBytes) this.onBytes(chunk);
      else if (chunk[0] === PING) socket.write(clientFrame(chunk.subarray(2, 2 + chunk[1]), 10));
    });
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  destroy() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket.destroy();
  }
}

function open({ server, port, secret, path = '/ws' }, index) {
  return new Promise((resolve, reject) => {
    // Several source addresses: one has no more ports than it has.
    const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${1 + (index % 8)}` });
    let head = '';
    const onData = (chunk) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      if (!head.startsWith('HTTP/1.1 101')) return reject(new Error(head));
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve(new LoadSocket(socket, server));
    };
    socket.on('data', onData);
    socket.once('error', reject);
    socket.setNoDelay();
    socket.write(
      [
        `GET ${path} HTTP/1.1`,
        'Host: localhost',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        `Origin: ${ORIGIN}`,
        `Authorization: Bearer ${signToken(secret, `user-${index}`)}`,
        '\r\n',
      ].join('\r\n'),
    );
  });
}

const COMMANDS = {
  /** Opens so many connections more. */
  connect: async ({ count, ...target }) => {
    const { server } = target;
    const sockets = groups.get(server) ?? [];
    groups.set(server, sockets);
    const first = sockets.length;
    for (let opened = 0; opened < count; opened += CONNECTING_AT_ONCE) {
      const wave = Math.min(CONNECTING_AT_ONCE, count - opened);
      const more = Array.from({ length: wave }, (_, index) => open(target, first + opened + index));
      sockets.push(...(await Promise.all(more)));
    }
  },

  /** One message there and back, compared byte by byte. */
  verify: ({ server, message, reply }) =>
    new Promise((resolve, reject) => {
      const [socket] = groups.get(server);
      const expected = serverFrame(reply);
      let received = Buffer.alloc(0);
      socket.onBytes = (chunk) => {
        received = Buffer.concat([received, chunk]);
        if (received.length < expected.length) return;
        socket.onBytes = undefined;
        if (received.equals(expected)) resolve();
        else reject(new Error(`${server} replied ${received.toString('latin1')}`));
      };
      socket.write(clientFrame(message));
    }),

  /** Keeps `window` messages in flight on every connection for a time, then waits for what is still out. */
  echo: async ({ server, message, reply, window, durationMs }) => {
    const sockets = groups.get(server);
    const frame = clientFrame(message);
    const frames = Buffer.concat(Array.from({ length: window }, () => frame));
    const replyLength = serverFrame(reply).length;
    const cpu = process.cpuUsage();
    const begin = performance.now();
    const end = begin + durationMs;
    let counted = 0;
    let all = 0;
    const drained = sockets.map(
      (socket) =>
        new Promise((resolve) => {
          let bytes = 0;
          let inFlight = window;
          socket.onBytes = (chunk) => {
            bytes += chunk.length;
            const replies = Math.floor(bytes / replyLength);
            if (replies === 0) return;
            bytes -= replies * replyLength;
            all += replies;
            if (performance.now() < end) {
              counted += replies;
              socket.write(replies === window ? frames : frames.subarray(0, replies * frame.length));
              return;
            }
            inFlight -= replies;
            if (inFlight > 0) return;
            socket.onBytes = undefined;
            resolve();
          };
          socket.write(frames);
        }),
    );
    await Promise.all(drained);
    const used = process.cpuUsage(cpu);
    const load = (used.user + used.system) / 1_000 / (performance.now() - begin);
    return { perSecond: counted / (durationMs / 1_000), messages: all, load };
  },

  disconnect: ({ server }) => {
    for (const socket of groups.get(server) ?? []) socket.destroy();
    groups.delete(server);
  },
};

process.on('message', async ({ id, ask, ...details }) => {
  try {
    process.send({ id, answer: (await COMMANDS[ask](details)) ?? null });
  } catch (error) {
    process.send({ id, error: error.message });
  }
});
process.on('disconnect', () => process.exit());
