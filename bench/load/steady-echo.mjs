import { percentiles } from '../harness/percentiles.mjs';
import { sharedNow } from '../harness/shared-clock.mjs';
import { clientFrame, serverFrame } from './client-frames.mjs';

/** A wave of frames is written this often. */
const WAVE_MS = 1;

/** Echo at a fixed rate, whether replies come or not: what the server is late with is seen in the time that they take. */
export class SteadyEcho {
  #sockets;
  #frame;
  #perSecond;
  /** When the messages were written that are not yet answered, oldest first, by socket. */
  #written;
  #samples = [];
  #sent = 0;
  #begin = sharedNow();
  #cpu = process.cpuUsage();
  #timer;

  constructor(sockets, { message, reply, perSecond }) {
    this.#sockets = sockets;
    this.#frame = clientFrame(message);
    this.#perSecond = perSecond;
    this.#written = sockets.map(() => []);
    const { length } = serverFrame(reply);
    sockets.forEach((socket, index) => socket.expect(length, (replies) => this.#answered(index, replies)));
    this.#timer = setInterval(() => this.#wave(), WAVE_MS);
  }

  /** Between two moments: how many were sent and how long the answers took. */
  async stop({ from, to }) {
    clearInterval(this.#timer);
    const seconds = (sharedNow() - this.#begin) / 1_000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const latencies = this.#samples.filter(({ at }) => at >= from && at <= to).map(({ ms }) => ms);
    const perSecond = this.#sent / seconds;
    return { perSecond, load: (user + system) / 1e6 / seconds, latencyMs: percentiles(latencies) };
  }

  #wave() {
    const now = sharedNow();
    const due = Math.floor(((now - this.#begin) / 1_000) * this.#perSecond);
    for (; this.#sent < due; this.#sent += 1) {
      const index = this.#sent % this.#sockets.length;
      this.#written[index].push(now);
      this.#sockets[index].write(this.#frame);
    }
  }

  #answered(index, replies) {
    const now = sharedNow();
    for (const at of this.#written[index].splice(0, replies)) this.#samples.push({ at, ms: now - at });
  }
}
