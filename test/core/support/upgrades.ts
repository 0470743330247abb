import type { IncomingHttpHeaders } from 'node:http';
import type { RawUpgrade, UpgradeRequest } from '../../../lib/core/handshake/upgrade-request.js';

/** Headers in their order, as a client writes them. */
export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** The header lines of a handshake that is right in everything. */
export const GOOD_HEADERS: HeaderLines = [
  ['Host', 'app.example.com'],
  ['Connection', 'keep-alive, Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['Origin', 'https://app.example.com'],
];

const FIRST_WINS = new Set(['host', 'authorization', 'content-length', 'user-agent']);

/** Folds header lines as Node does: some keep the first value, cookies join by `; `, the rest by `, `. */
function fold(lines: HeaderLines): IncomingHttpHeaders {
  const headers: Record<string, string> = {};
  for (const [name, value] of lines) {
    const key = name.toLowerCase();
    const known = headers[key];
    if (known === undefined) headers[key] = value;
    else if (!FIRST_WINS.has(key)) headers[key] = known + (key === 'cookie' ? '; ' : ', ') + value;
  }
  return headers;
}

/** A valid upgrade, with what a test changes about it. */
export function rawUpgrade(change: Partial<RawUpgrade> & { lines?: HeaderLines } = {}): RawUpgrade {
  const { lines = GOOD_HEADERS, ...rest } = change;
  return {
    method: 'GET',
    url: '/ws',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    headers: fold(lines),
    rawHeaders: lines.flat(),
    remoteAddress: '192.0.2.1',
    boundToLoopback: false,
    encrypted: false,
    certificate: undefined,
    ...rest,
  };
}

/** The good header lines with some replaced, or taken out where the value is `undefined`, or added. */
export function withHeaders(changes: Readonly<Record<string, string | undefined>>): HeaderLines {
  const names = new Set(Object.keys(changes).map((name) => name.toLowerCase()));
  const kept = GOOD_HEADERS.filter(([name]) => !names.has(name.toLowerCase()));
  const added = Object.entries(changes).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  );
  return [...kept, ...added];
}

/** The facts of a well-formed request, with what a test changes about it. */
export function upgradeRequest(change: Partial<UpgradeRequest> = {}): UpgradeRequest {
  return {
    host: { name: 'app.example.com', port: undefined },
    path: '/ws',
    query: '',
    origin: 'https://app.example.com',
    authorization: undefined,
    cookie: undefined,
    headers: {},
    protocols: [],
    ...change,
  };
}
