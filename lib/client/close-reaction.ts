/** What a Close frame said. */
export interface CloseInfo {
  /** 1006 when there was no Close frame. */
  readonly code: number;
  /** The word of the close reason, such as `revoked`; empty when there is none. */
  readonly word: string;
  /** How long the server asks the client to wait. */
  readonly retryAfterMs?: number;
  /** Names the decision in the server's audit log. */
  readonly correlationId?: string;
}

/** Why a client stopped for good. */
export type StopKind =
  /** `close()` was called. */
  | 'closed'
  /** The server's application ended the connection with 1000, without a code, or with a code of its own. */
  | 'finished'
  /** The credential callback answered `null`: nobody is logged in. */
  | 'no_credential'
  /** The credential callback gave what is no ticket or no token. */
  | 'bad_credential'
  /** 4401, twice: log in again. */
  | 'unauthorized'
  /** 4403. */
  | 'forbidden'
  /** 4409: a newer connection took the place. */
  | 'replaced'
  /** 4409: all places are taken. */
  | 'too_many_connections'
  /** 4410: logged out, here or elsewhere. */
  | 'revoked'
  /** 4400, or a code of the 44xx that this client does not know. */
  | 'bad_message'
  /** 1002, 1003, 1007, 1008, 1009: what this client sent breaks a rule. */
  | 'protocol_error'
  /** The host refuses to open the socket, such as a page over HTTPS one to `ws:`. */
  | 'blocked'
  /** `maxAttempts` in a row have failed. */
  | 'gave_up';

/** What a client does about a Close: comes back, at different times, or stops. */
export type CloseReaction = 'back-off' | 'once-more' | 'at-once' | 'on-demand' | StopKind;

const REASON = /^([a-z_]*)(?:;retry=(\d{1,9}))?(?:;id=([\w-]{1,64}))?$/;

/** Reads code and reason of a Close. A reason in another form than the library's has no word. */
export function readClose(code: number, reason: string): CloseInfo {
  const [, word = '', retry, correlationId] = REASON.exec(reason) ?? [];
  return { code, word, retryAfterMs: retry ? Number(retry) : undefined, correlationId };
}

type Row =
  | readonly [code: number, word: string, reaction: CloseReaction]
  | readonly [code: number, word: StopKind, reaction?: undefined];

/**
 * The words of PROTOCOL.md, and what to do about each: when nothing is said, to stop with the word as the reason. A Close with
 * such a code and no word means the first of its code.
 */
const TABLE: readonly Row[] = [
  [4401, 'unauthorized', 'once-more'],
  [4403, 'forbidden'],
  [4408, 'auth_timeout', 'back-off'],
  [4408, 'idle_timeout', 'on-demand'],
  [4409, 'too_many_connections'],
  [4409, 'replaced'],
  [4410, 'revoked'],
  [4419, 'expired', 'at-once'],
  [4429, 'rate_limited', 'back-off'],
  [4400, 'bad_message'],
];

/** What the close code table of PROTOCOL.md asks of a client. */
export function reactionTo({ code, word }: CloseInfo): CloseReaction {
  // A server may be set to send registered codes, below 4000, in place of those above; the word stays the same.
  const named = TABLE.find((row) => row[1] === word && (row[0] === code || code < 4_000));
  const row = named ?? TABLE.find((row) => row[0] === code);
  if (row) return row[2] ?? (row[1] as StopKind);
  if (code >= 4400 && code < 4500) return 'bad_message';
  if ([2, 3, 7, 8, 9].includes(code - 1_000)) return 'protocol_error';
  return code > 1015 || code === 1000 || code === 1005 ? 'finished' : 'back-off';
}
