import { isLaterEntry, UNLOGGED, type RevocationEntry } from './revocation-log.js';

const MAX_ENTRIES = 4_096;

/**
 * The last entries of the revocation log. An admission that was decided before an entry, and arrives here after
 * it, is held against them: without that, what is revoked between a store's decision and its answer is admitted.
 */
export class RecentEntries {
  /** By id. That orders those of a partition; between two partitions it says nothing. */
  readonly #entries: RevocationEntry[] = [];
  /** The last entry that was dropped, by partition. */
  readonly #forgottenUpTo = new Map<string, string>();

  /** In the order of the log, which is not always that in which entries come in. What stands in no log is left out. */
  add(entry: RevocationEntry): void {
    if (entry.partition === UNLOGGED) return;
    let index = this.#entries.length;
    while (index > 0 && isLaterEntry(this.#entries[index - 1]!.id, entry.id)) index -= 1;
    this.#entries.splice(index, 0, entry);
    if (this.#entries.length <= MAX_ENTRIES) return;
    for (const { partition, id } of this.#entries.splice(0, MAX_ENTRIES / 2))
      this.#forgottenUpTo.set(partition, id);
  }

  /** The entries of a partition that are later than `tail`, oldest first; `null` when some of them have been forgotten. */
  after(partition: string, tail: string): RevocationEntry[] | null {
    if (isLaterEntry(this.#forgottenUpTo.get(partition) ?? '0-0', tail)) return null;
    const later: RevocationEntry[] = [];
    for (let index = this.#entries.length - 1; index >= 0; index -= 1) {
      const entry = this.#entries[index]!;
      if (entry.partition !== partition) continue;
      if (!isLaterEntry(entry.id, tail)) break;
      later.unshift(entry);
    }
    return later;
  }
}
