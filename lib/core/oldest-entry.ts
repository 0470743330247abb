/**
 * Forgets the oldest entry of a map, for maps of bounded size. A new iterator passes over everything that was deleted before
 * the first entry, which under a flood is thousands each time; this one goes on where it stopped.
 */
export class OldestEntry<K, V> {
  readonly #map: Map<K, V>;
  #entries: IterableIterator<[K, V]>;

  constructor(map: Map<K, V>) {
    this.#map = map;
    this.#entries = map.entries();
  }

  /**
   * @param mayGo entries for which it says no stay
   * @returns false when none may go
   */
  forget(mayGo: (value: V) => boolean = () => true): boolean {
    return this.#forgetNext(mayGo) || this.#forgetNext(mayGo);
  }

  /** From where it stopped to the end; the next time from the beginning. */
  #forgetNext(mayGo: (value: V) => boolean): boolean {
    for (let next = this.#entries.next(); !next.done; next = this.#entries.next()) {
      const [key, value] = next.value;
      if (mayGo(value)) return this.#map.delete(key);
    }
    this.#entries = this.#map.entries();
    return false;
  }
}
