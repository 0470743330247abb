// Makes load by ws itself, for what the generator does not speak, such as compressed frames. It works harder than the server
// does: look at the server's processor time, not at messages a second.
import WebSocket from 'ws';
import { answerParent } from '../harness/answering.mjs';
import { ORIGIN, signToken } from './credentials.mjs';

const AT_ONCE = 20;

const sockets = [];

function open({ port, secret, isCompressed }, user) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
      headers: { Authorization: `Bearer ${signToken(secret, user)}` },
      origin: ORIGIN,
      perMessageDeflate: isCompressed,
    });
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Does something so many times, several at once. */
async function times(count, work) {
  for (let done = 0; done < count; done += AT_ONCE) {
    const wave = Math.min(AT_ONCE, count - done);
    await Promise.all(Array.from({ length: wave }, (_, index) => work(done + index)));
  }
}

function exchange(socket, message) {
  return new Promise((resolve, reject) => {
    socket.once('message', (data) => {
      if (data.toString() === message) resolve();
      else reject(new Error(`the server replied ${data.toString().slice(0, 200)}`));
    });
    socket.send(message);
  });
}

const COMMANDS = {
  /** Opens so many connections more. @returns the extensions that were agreed on */
  connect: async ({ count, ...target }) => {
    const first = sockets.length;
    await times(count, async (index) => {
      sockets.push(await open(target, `user-${first + index}`));
    });
    return sockets[first].extensions;
  },

  /** One message there and back on each connection from the `first` one on. */
  sayOnce: ({ message, first = 0 }) =>
    times(sockets.length - first, (index) => exchange(sockets[first + index], message)),

  /** One message in flight on each connection, for a time. @returns how many there were */
  echo: async ({ message, durationMs }) => {
    const end = performance.now() + durationMs;
    let messages = 0;
    await Promise.all(
      sockets.map(async (socket) => {
        while (performance.now() < end) {
          await exchange(socket, message);
          messages += 1;
        }
      }),
    );
    return messages;
  },

  /** So many clients come and leave. */
  visit: async ({ count, ...target }) => {
    await times(count, async (index) => {
      const socket = await open(target, `visitor-${index}`);
      socket.terminate();
    });
  },
};

answerParent(COMMANDS);
