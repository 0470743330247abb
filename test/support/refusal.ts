import { expect } from 'vitest';
import type { RefusalCode } from '../../lib/core/handshake/refusal.js';
import type { RawClient, RawResponse } from './raw-client.js';
import type { TestApp } from './app.js';
import { eventually } from './eventually.js';

/** The status of each class of refusal, as PROTOCOL.md has it: written down again, so that a slip shows. */
export const STATUS_OF: Readonly<Record<RefusalCode, number>> = {
  malformed_handshake: 400,
  subprotocol_required: 400,
  credential_in_url: 400,
  multiple_credentials: 400,
  unauthorized: 401,
  insecure_transport: 403,
  origin_not_allowed: 403,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  host_not_allowed: 421,
  upgrade_required: 426,
  rate_limited: 429,
  too_many_connections: 429,
  header_too_large: 431,
  draining: 503,
  overloaded: 503,
  unavailable: 503,
};

/** The challenges of RFC 6750 §3. */
export const CHALLENGE = {
  missing: 'Bearer realm="ws"',
  invalid: 'Bearer realm="ws", error="invalid_token"',
} as const;

/**
 * Reads a refusal to its last byte and holds it against the protocol: one complete problem document, every header that
 * must be there and no other, then the end of the stream, which is answered in kind.
 *
 * @param extra the headers that this class has besides
 */
export async function expectRefusal(
  client: RawClient,
  code: RefusalCode,
  extra: Readonly<Record<string, string>> = {},
): Promise<RawResponse> {
  const response = await client.response();
  const status = STATUS_OF[code];
  const asked = status === 429 || status === 503;
  expect(response, response.body).toMatchObject({ status });
  expect(response.headers).toEqual({
    connection: 'close',
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(response.body)),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(asked ? { 'retry-after': expect.stringMatching(/^[1-9]\d{0,4}$/) } : {}),
    ...extra,
  });
  // Of all headers only the challenges may be several.
  const others = response.headerLines.filter((line) => !line.startsWith('WWW-Authenticate: '));
  expect(new Set(others.map((line) => line.split(':', 1)[0]!.toLowerCase())).size).toBe(others.length);
  expect(JSON.parse(response.body)).toEqual({
    type: 'about:blank',
    title: expect.stringMatching(/^[A-Z][\w ]+$/),
    status,
    code,
    correlationId: expect.stringMatching(/^[\w-]{12}$/),
  });
  await client.end();
  expect(client.unread).toBe('');
  client.finish();
  return response;
}

/** Resolves when no handshake is in progress, nobody waits, and no connection is registered. */
export async function expectNobodyLeft(test: TestApp): Promise<void> {
  const { authenticator, connections } = test.engine;
  await eventually(() => {
    const { pending, waiting } = authenticator.counts;
    return pending === 0 && waiting === 0 && connections.local().length === 0;
  });
}

/** Nor any deadline but the engine's own. Not to be had where a session was used: that is noted in the store a while later. */
export async function expectNothingLeft(test: TestApp): Promise<void> {
  await expectNobodyLeft(test);
  await eventually(() => test.engine.wheel.size <= test.restingDeadlines);
}
