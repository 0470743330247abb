import { connect } from 'node:net';
import { clientFrame } from './client-frames.mjs';
import { Opening } from './opening.mjs';
import { Waking } from './waking.mjs';

const NORMAL_CLOSURE = 1_000;
const CLOSE_OPCODE = 8;
const GOODBYE = clientFrame(Buffer.from([NORMAL_CLOSURE >> 8, NORMAL_CLOSURE & 255]), CLOSE_OPCODE);
/** Everything that comes is read here: it is looked at before the next comes. */
const BUFFER = Buffer.alloc(65_536);

/**
 * Lets clients connect, be let in, say Close and wait until the server has ended the connection, so many at a time.
 *
 * @returns how long all of them took, and for each the time from connect to being let in, in ms; and how busy this process was
 */
export async function visit(server, port, clients, atOnce) {
  const openMs = [];
  const waking = new Waking();
  const begin = performance.now();
  let next = 0;
  const comeAndGo = async () => {
    for (let index = next++; index < clients.length; index = next++)
      openMs[index] = await visitOnce(server, port, clients[index], waking);
  };
  await Promise.all(Array.from({ length: atOnce }, comeAndGo));
  return { wallMs: performance.now() - begin, openMs, load: waking.stop() };
}

function visitOnce(server, port, { request, opening, localAddress }, waking) {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const state = new Opening(opening);
    let openMs;
    const onRead = (length) => {
      waking.worked();
      if (openMs !== undefined) return true;
      const { isOpen, isRefused, write } = state.read(BUFFER.latin1Slice(0, length));
      if (write) socket.write(write);
      if (isRefused) socket.destroy();
      if (isOpen) {
        openMs = performance.now() - begin;
        socket.write(GOODBYE);
      }
      return true;
    };
    const socket = connect({
      port,
      host: '127.0.0.1',
      localAddress,
      noDelay: true,
      onread: { buffer: BUFFER, callback: onRead },
    });
    socket.on('close', () => {
      waking.worked();
      if (openMs !== undefined) resolve(openMs);
      else reject(new Error(`${server} does not let a client in: ${state.text}`));
    });
    // The end of the connection is told by 'close'.
    socket.on('error', () => {});
    socket.write(request);
  });
}
