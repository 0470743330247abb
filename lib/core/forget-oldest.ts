/** The share of a full map that is forgotten at a time. */
const SHARE = 1 / 16;

/**
 * Makes room in a map of bounded size: forgets its oldest entries, and several at a time where it is large. To find the
 * oldest one means to pass over everything that was deleted before it, which under a flood would be thousands for each; and
 * an iterator that is kept for the next time keeps every table that the map has outgrown since.
 *
 * @param count how many; left out, a sixteenth of the map and at least one
 * @param mayGo entries for which it says no stay
 * @returns false when none may go
 */
export function forgetOldest<K, V>(
  map: Map<K, V>,
  count = Math.max(1, Math.floor(map.size * SHARE)),
  mayGo: (value: V) => boolean = () => true,
): boolean {
  let forgotten = 0;
  for (const [key, value] of map) {
    if (!mayGo(value)) continue;
    map.delete(key);
    forgotten += 1;
    if (forgotten === count) break;
  }
  return forgotten > 0;
}
