import { eventually } from './eventually.js';
import { closeBytes, frameBytes, messageBytes, OPCODE, type RawFrame, RawClient } from './raw-client.js';

/** How long a reply may be on its way. */
const REPLY_WITHIN_MS = 3_000;

/** What a client writes: an event with its data, a text frame, or a binary one. */
export type Sent = readonly [event: unknown, data?: unknown] | string | Buffer;

/** A client that keeps everything it receives, in a form that can be compared. */
export class ParityClient {
  /** Parsed text frames; `{ binary }` in hex, `{ text }` that is no JSON, `{ close }`, and `{ end }` without one. */
  readonly received: unknown[] = [];
  readonly #raw: RawClient;
  #pongs = 0;

  constructor(raw: RawClient) {
    this.#raw = raw;
    void this.#read();
  }

  /** Writes everything in one segment. */
  send(...sent: readonly Sent[]): void {
    this.#raw.write(...sent.map(bytesOf));
  }

  /** Waits for so many frames; what comes too late is missing from `received`. */
  async until(count: number): Promise<void> {
    await eventually(() => this.received.length >= count, REPLY_WITHIN_MS).catch(() => {});
  }

  /** Waits until whatever the server has already sent has arrived. */
  async settled(): Promise<void> {
    await turns();
    if (this.#isOver) return;
    const expected = this.#pongs + 1;
    this.#raw.write(frameBytes('', OPCODE.ping));
    await eventually(() => this.#pongs >= expected || this.#isOver, REPLY_WITHIN_MS);
  }

  /** Says goodbye. */
  leave(code = 1000, reason = ''): void {
    this.#raw.write(closeBytes(code, reason));
  }

  /** Hangs up without a word. */
  destroy(): void {
    this.#raw.destroy();
  }

  get #isOver(): boolean {
    const last = this.received.at(-1);
    return typeof last === 'object' && last !== null && ('close' in last || 'end' in last);
  }

  async #read(): Promise<void> {
    for (;;) {
      const frame = await this.#raw.frame().catch(() => undefined);
      if (!frame) {
        if (!this.#isOver) this.received.push({ end: true });
        return;
      }
      if (frame.opcode === OPCODE.pong) this.#pongs += 1;
      else this.received.push(describe(frame));
      if (frame.opcode === OPCODE.close) {
        this.#raw.finish();
        return;
      }
    }
  }
}

/** A few turns of the loop, in which everything that is ready to run has run. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function bytesOf(sent: Sent): Buffer {
  if (typeof sent === 'string') return frameBytes(sent);
  if (Buffer.isBuffer(sent)) return frameBytes(sent, OPCODE.binary);
  return messageBytes(sent[0] as string, sent[1]);
}

function describe({ opcode, payload }: RawFrame): unknown {
  if (opcode === OPCODE.close) return { close: payload.length >= 2 ? payload.readUInt16BE() : 1005 };
  if (opcode === OPCODE.binary) return { binary: payload.toString('hex') };
  const text = payload.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return { text };
  }
}
