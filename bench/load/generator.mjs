// Makes the load, in a process of its own: what clients write was made beforehand, replies are counted by their length. It
// does as little as it can, so that the server is what is measured.
import { answerParent } from '../harness/answering.mjs';
import { wrongTokens } from './credentials.mjs';
import { makeClient, makeClientWith } from './client.mjs';
import { DIALECTS } from './dialects.mjs';
import { visit } from './handshakes.mjs';
import { openSocket } from './load-socket.mjs';
import { Waking } from './waking.mjs';

const CONNECTING_AT_ONCE = 100;
/** How long a server may take to refuse. */
const REFUSAL_MS = 5_000;

/** The sockets of a server with the dialect that they speak, by the name of the server. */
const groups = new Map();
/** Clients that are ready to visit a server, by its name. */
const visitors = new Map();

const COMMANDS = {
  /** Opens so many connections more. */
  connect: async ({ count, first, ...target }) => {
    const { server, port, dialect = 'plain' } = target;
    const group = groups.get(server) ?? { sockets: [], dialect };
    groups.set(server, group);
    const begin = first ?? group.sockets.length;
    for (let opened = 0; opened < count; opened += CONNECTING_AT_ONCE) {
      const wave = Math.min(CONNECTING_AT_ONCE, count - opened);
      const more = Array.from({ length: wave }, (_, index) =>
        openSocket(server, port, makeClient(target, begin + opened + index, begin)),
      );
      group.sockets.push(...(await Promise.all(more)));
    }
  },

  /** One message there and back, compared byte by byte. */
  verify: async ({ server, event, data }) => {
    const { sockets, dialect } = groups.get(server);
    const { message, reply } = DIALECTS[dialect].exchange(event, data, 0);
    const received = await exchange(sockets[0], message, reply.length);
    if (!received.equals(reply)) throw new Error(`${server} replied ${received.toString('latin1')}`);
  },

  /** Comes with credentials that are wrong. @returns what was wrong with those that were taken */
  refusals: async ({ server, port, dialect = 'plain', secret, algorithm, wrong, event, data }) => {
    const taken = [];
    const credentials = wrong ?? wrongTokenCredentials(secret, algorithm);
    for (const [what, credential] of Object.entries(credentials)) {
      const client = makeClientWith(dialect, credential, 0);
      if (await isServed(server, port, client, DIALECTS[dialect].exchange(event, data, 0))) taken.push(what);
    }
    return taken;
  },

  /** Keeps `window` messages in flight on every connection for a time, then waits for what is still out: that counts, too. */
  echo: async ({ server, event, data, window, durationMs }) => {
    const { sockets, dialect } = groups.get(server);
    const { frames, frameLength, replyLength } = framesOf(dialect, event, data, window);
    const waking = new Waking();
    const begin = performance.now();
    const end = begin + durationMs;
    let messages = 0;
    const drained = sockets.map(
      (socket) =>
        new Promise((resolve, reject) => {
          let bytes = 0;
          let next = 0;
          let inFlight = window;
          const send = (count) => {
            socket.write(frames.subarray(next * frameLength, (next + count) * frameLength));
            next = (next + count) % window;
          };
          socket.onBytes = (chunk) => {
            waking.worked();
            bytes += chunk.length;
            const replies = Math.floor(bytes / replyLength);
            if (replies === 0) return;
            bytes -= replies * replyLength;
            messages += replies;
            if (performance.now() < end) return send(replies);
            inFlight -= replies;
            if (inFlight > 0) return;
            socket.onBytes = undefined;
            if (bytes === 0) resolve();
            else reject(new Error(`${server} answered something else besides`));
          };
          send(window);
        }),
    );
    await Promise.all(drained);
    const wallMs = performance.now() - begin;
    return { messages, perSecond: (messages * 1_000) / wallMs, load: waking.stop() };
  },

  /** Makes the requests and credentials of clients to come. */
  prepare: ({ count, first = 0, ...target }) => {
    const clients = Array.from({ length: count }, (_, index) => makeClient(target, first + index, first));
    visitors.set(target.server, { clients, port: target.port });
  },

  /** Lets the clients that were prepared come, so many at a time. */
  visit: async ({ server, atOnce }) => {
    const { clients, port } = visitors.get(server);
    visitors.delete(server);
    return { handshakes: clients.length, ...(await visit(server, port, clients, atOnce)) };
  },

  disconnect: ({ server }) => {
    for (const socket of groups.get(server)?.sockets ?? []) socket.destroy();
    groups.delete(server);
  },
};

/** As many messages as are in flight, twice over: whatever comes next is one piece of it. */
function framesOf(dialect, event, data, window) {
  const exchanges = Array.from({ length: window }, (_, number) =>
    DIALECTS[dialect].exchange(event, data, number),
  );
  const messages = exchanges.map(({ message }) => message);
  return {
    frames: Buffer.concat([...messages, ...messages]),
    frameLength: messages[0].length,
    replyLength: exchanges[0].reply.length,
  };
}

function exchange(socket, message, replyLength) {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.onBytes = (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < replyLength) return;
      socket.onBytes = undefined;
      resolve(received);
    };
    socket.onEnd = () => reject(new Error(`the connection was ended after ${received.toString('latin1')}`));
    socket.write(message);
  });
}

/** False when the client is not let in, or its message is not answered as it is to be. */
async function isServed(server, port, client, { message, reply }) {
  const socket = await openSocket(server, port, client).catch(() => undefined);
  if (!socket) return false;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${server} says nothing to a wrong credential`)), REFUSAL_MS);
  });
  try {
    const first = exchangeOrEnd(socket, message);
    return reply.equals(await Promise.race([first, late]));
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** The first that comes: bytes, or the end. */
function exchangeOrEnd(socket, message) {
  return new Promise((resolve) => {
    socket.onBytes = resolve;
    socket.onEnd = () => resolve(Buffer.alloc(0));
    socket.write(message);
  });
}

function wrongTokenCredentials(secret, algorithm) {
  const entries = Object.entries(wrongTokens(secret, algorithm));
  return Object.fromEntries(entries.map(([what, token]) => [what, { token }]));
}

answerParent(COMMANDS);
