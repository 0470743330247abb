import { isLaterEntry, type RevocationEntry } from './revocation-log.js';

const MAX_ENTRIES = 4_096;

/**
 * The last entries of the revocation log. An admission that was decided before an entry, and arrives here after
 * it, is held against them: without that, what is revoked between a store's decision and its answer is admitted.
 */
export class RecentEntries {
  readonly #entries: RevocationEntry[] = [];
  #forgottenUpTo = '0-0';

  add(entry: RevocationEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length <= MAX_ENTRIES) return;
    const forgotten = this.#entries.splice(0, MAX_ENTRIES / 2);
    this.#forgottenUpTo = forgotten.at(-1)!.id;
  }

  /** The entries that are later than `tail`, oldest first; `null` when some of them have been forgotten. */
  after(tail: string): RevocationEntry[] | null {
    if (isLaterEntry(this.#forgottenUpTo, tail)) return null;
    const later: RevocationEntry[] = [];
    for (let index = this.#entries.length - 1; index >= 0; index -= 1) {
      const entry = this.#entries[index]!;
      if (!isLaterEntry(entry.id, tail)) break;
      later.unshift(entry);
    }
    return later;
  }
}
