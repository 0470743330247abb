import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** The key of RFC 6455 §1.3, whose accept value everybody knows. */
export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const SAMPLE_ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Opcodes of RFC 6455 §5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** An HTTP response, as strictly read as RFC 9112 asks. */
export interface RawResponse {
  readonly status: number;
  readonly statusText: string;
  /** In lower case; several of one name are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly headerLines: readonly string[];
  readonly body: string;
}

/** A frame as it came off the wire. */
export interface RawFrame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** What a Close frame says, or that the socket ended without one. */
export interface RawClose {
  readonly code: number;
  readonly reason: string;
}

/** Parts of a handshake that a test may change; `undefined` leaves a header out. */
export interface HandshakeParts {
  method?: string;
  target?: string;
  version?: string;
  headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** The bytes of a good handshake, with a test's changes. */
export function handshakeBytes(parts: HandshakeParts = {}): string {
  const headers: Record<string, string | readonly string[] | undefined> = {
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': SAMPLE_KEY,
    Origin: 'https://app.example',
    ...parts.headers,
  };
  const lines = [`${parts.method ?? 'GET'} ${parts.target ?? '/ws'} HTTP/${parts.version ?? '1.1'}`];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    for (const single of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${single}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** A masked frame, as a client sends it. */
export function frameBytes(payload: string | Buffer, opcode: number = OPCODE.text, fin = true): Buffer {
  const body = Buffer.from(payload);
  const mask = Buffer.from([0x11, 0x22, 0x33, 0x44]);
  const head = [(fin ? 0x80 : 0) | opcode];
  if (body.length < 126) head.push(0x80 | body.length);
  else if (body.length < 65_536) head.push(0x80 | 126, body.length >> 8, body.length & 255);
  else head.push(0x80 | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (body.length >>> shift) & 255));
  const masked = body.map((byte, index) => byte ^ mask[index & 3]!);
  return Buffer.concat([Buffer.from(head), mask, masked]);
}

/** A masked text frame with `{"event","data"}`. */
export function messageBytes(event: string, data?: unknown): Buffer {
  return frameBytes(JSON.stringify({ event, data }));
}

/** A masked Close frame. */
export function closeBytes(code = 1000, reason = ''): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return frameBytes(payload, OPCODE.close);
}

/**
 * A TCP client that writes bytes and reads what comes back: it hides nothing, answers nothing by itself (no Close, no
 * Pong), and breaks whatever rule a test asks for.
 */
export class RawClient {
  /** Those whose sockets are there yet, half-closed ones included. */
  static readonly #all = new Set<RawClient>();

  readonly socket: Socket;
  /** Everything that was received. */
  received = Buffer.alloc(0);
  /** True when the peer has sent FIN or the socket is gone. */
  ended = false;
  #read = 0;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#wake();
    });
    const end = (): void => {
      this.ended = true;
      this.#wake();
    };
    socket.on('end', end);
    socket.on('close', end);
    socket.on('error', end);
    RawClient.#all.add(this);
    socket.once('close', () => RawClient.#all.delete(this));
  }

  /** Connects over loopback. */
  static async connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host, allowHalfOpen: true });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    socket.setNoDelay();
    return client;
  }

  /** Connects over loopback and TLS; whose certificate it is does not matter. */
  static async connectTls(port: number): Promise<RawClient> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const client = new RawClient(socket);
    await once(socket, 'secureConnect');
    return client;
  }

  /** Connects and writes a handshake in one segment with whatever is to follow it. */
  static async open(
    port: number,
    parts: HandshakeParts = {},
    ...more: (string | Buffer)[]
  ): Promise<RawClient> {
    const client = await RawClient.connect(port);
    client.write(handshakeBytes(parts), ...more);
    return client;
  }

  /** Cuts all that are connected to one of these ports. */
  static destroyAll(ports: ReadonlySet<number>): void {
    for (const client of RawClient.#all) {
      const { remotePort } = client.socket;
      if (remotePort !== undefined && ports.has(remotePort)) client.destroy();
    }
  }

  /** Writes everything in one go. */
  write(...chunks: (string | Buffer)[]): void {
    this.socket.write(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))));
  }

  /** Sends a message. */
  send(event: string, data?: unknown): void {
    this.write(messageBytes(event, data));
  }

  /** Reads one HTTP response. @throws when the bytes are none, or the connection ends in the middle */
  async response(): Promise<RawResponse> {
    const end = await this.#until(() => {
      const index = this.received.indexOf('\r\n\r\n', this.#read);
      return index < 0 ? undefined : index;
    });
    const [statusLine = '', ...headerLines] = this.received.toString('latin1', this.#read, end).split('\r\n');
    const match = /^HTTP\/1\.1 (\d{3}) ([\x20-\x7e]*)$/.exec(statusLine);
    if (!match) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
    const headers: Record<string, string> = {};
    for (const line of headerLines) {
      const header = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([\x20-\x7e]*)$/.exec(line);
      if (!header) throw new Error(`not a header line: ${JSON.stringify(line)}`);
      const name = header[1]!.toLowerCase();
      headers[name] = name in headers ? `${headers[name]}, ${header[2]}` : header[2]!;
    }
    this.#read = end + 4;
    const length = Number(headers['content-length'] ?? 0);
    await this.#until(() => (this.received.length >= this.#read + length ? true : undefined));
    const body = this.received.toString('utf8', this.#read, this.#read + length);
    this.#read += length;
    return { status: Number(match[1]), statusText: match[2]!, headers, headerLines, body };
  }

  /** Reads the 101 and checks it. */
  async upgraded(): Promise<RawResponse> {
    const response = await this.response();
    if (response.status !== 101) throw new Error(`expected 101, got ${response.status} ${response.body}`);
    return response;
  }

  /** Reads one frame. */
  async frame(): Promise<RawFrame> {
    return this.#until(() => this.#takeFrame());
  }

  /** Reads one message in Nest's envelope, passing over control frames. */
  async message(): Promise<{ event: string; data: any }> {
    for (;;) {
      const frame = await this.frame();
      if (frame.opcode === OPCODE.close) throw new Error(`closed: ${describeClose(frame)}`);
      if (frame.opcode === OPCODE.text) return JSON.parse(frame.payload.toString('utf8'));
    }
  }

  /** Reads messages until one is of this event. */
  async messageOf(event: string): Promise<{ event: string; data: any }> {
    for (;;) {
      const message = await this.message();
      if (message.event === event) return message;
    }
  }

  /** Reads on until the Close frame, and says what else came before it. */
  async closed(): Promise<RawClose & { before: string[] }> {
    const before: string[] = [];
    for (;;) {
      const frame = await this.frame();
      if (frame.opcode !== OPCODE.close) {
        before.push(frame.payload.toString('utf8'));
        continue;
      }
      const code = frame.payload.length >= 2 ? frame.payload.readUInt16BE() : 1005;
      return { code, reason: frame.payload.toString('utf8', 2), before };
    }
  }

  /** Resolves when the peer has ended the connection. */
  async end(): Promise<void> {
    await this.#until(() => (this.ended ? true : undefined), true);
  }

  /** What has been received and not been read yet. */
  get unread(): string {
    return this.received.toString('latin1', this.#read);
  }

  /** Ends with FIN. */
  finish(): void {
    this.socket.end();
  }

  /** Ends with RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  #takeFrame(): RawFrame | undefined {
    const bytes = this.received.subarray(this.#read);
    if (bytes.length < 2) return undefined;
    let length = bytes[1]! & 0x7f;
    let offset = 2;
    if (length === 126) {
      if (bytes.length < 4) return undefined;
      length = bytes.readUInt16BE(2);
      offset = 4;
    } else if (length === 127) {
      if (bytes.length < 10) return undefined;
      length = Number(bytes.readBigUInt64BE(2));
      offset = 10;
    }
    if (bytes.length < offset + length) return undefined;
    this.#read += offset + length;
    return {
      fin: (bytes[0]! & 0x80) !== 0,
      opcode: bytes[0]! & 0x0f,
      payload: Buffer.from(bytes.subarray(offset, offset + length)),
    };
  }

  /** Waits until `look` finds something; fails when the connection ends before. */
  async #until<T>(look: () => T | undefined, mayEnd = false): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.ended && !mayEnd)
        throw new Error(`the connection ended; unread: ${JSON.stringify(this.unread.slice(0, 300))}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

function describeClose(frame: RawFrame): string {
  return `${frame.payload.length >= 2 ? frame.payload.readUInt16BE() : 1005} ${frame.payload.toString('utf8', 2)}`;
}
