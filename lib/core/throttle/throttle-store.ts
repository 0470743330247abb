import { hash } from 'node:crypto';
import type { Rate, RateDecision, RateLease } from './gcra.js';

/**
 * Rates that all nodes count together. One atomic step of the same cost for whatever comes; what is kept for a key ends by
 * itself when the key is whole again (requirement TH-09). Two rates of one key are counted apart.
 */
export interface ThrottleStore {
  /**
   * Counts `cost` if the rate allows it; a refusal counts nothing. A cost above the burst is always refused.
   *
   * @param key of {@link throttleKey}
   * @throws {StoreUnavailable} when nobody can tell
   */
  take(key: string, rate: Rate, cost: number): Promise<RateDecision>;

  /**
   * Counts as much of `wanted` as the rate allows, in one step: a node takes in advance what it may then give out by itself.
   *
   * @param key of {@link throttleKey}
   * @throws {StoreUnavailable} when nobody can tell
   */
  takeUpTo(key: string, rate: Rate, wanted: number): Promise<RateLease>;

  /**
   * Takes back what was counted for a key, and never more than that.
   *
   * @param key of {@link throttleKey}
   * @throws {StoreUnavailable} when nobody can tell
   */
  giveBack(key: string, rate: Rate, count: number): Promise<void>;
}

/** 128 bits: nobody finds two identities with one key. Bytes are cut, and not their text: a part of a text keeps the whole. */
const KEY_BYTES = 16;

/**
 * The key of an identity: the name of what is limited, and whoever it is limited for. As JSON no two lists of parts make one
 * text (requirement TH-08), and halves of surrogate pairs, which UTF-8 would replace, stay apart; hashed, so that no key
 * shows an address or a user.
 */
export function throttleKey(name: string, ...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify([name, ...parts]), 'buffer').toString('base64url', 0, KEY_BYTES);
}
