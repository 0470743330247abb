/** The digits of a hash, in the order of what they stand for. */
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const BITS_OF_TWO_DIGITS = 12;

/**
 * Splits users, and whatever else goes by a hash, into the partitions of a store. All that belongs to one user is in one
 * partition, and so in one slot of a cluster. A partition is the first bits of the hash, in hexadecimal: the same one for as
 * long as the number of partitions stays.
 */
export class Partitions {
  readonly names: readonly string[];
  readonly #shift: number;

  /** @param count 1, 16, 64 or 256 */
  constructor(count: number) {
    const width = count > 16 ? 2 : 1;
    this.names = Array.from({ length: count }, (_, index) => index.toString(16).padStart(width, '0'));
    this.#shift = BITS_OF_TWO_DIGITS - Math.log2(count);
  }

  /** The partition of a hash in base64url. */
  of(hash: string): string {
    if (this.names.length === 1) return this.names[0]!;
    return this.names[((digitAt(hash, 0) << 6) | digitAt(hash, 1)) >> this.#shift]!;
  }
}

/** A sign that is no digit counts as the first: every text has a partition. */
function digitAt(hash: string, index: number): number {
  return Math.max(0, BASE64URL.indexOf(hash.charAt(index)));
}
