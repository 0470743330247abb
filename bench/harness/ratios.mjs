/** What every variant did in a second against another one, round by round. @returns a Map by name, empty when the other is missing */
export function throughputRatios(cell, floor) {
  const theirs = cell?.slices[floor];
  if (!theirs) return new Map();
  return new Map(
    Object.entries(cell.slices).map(([name, slices]) => [
      name,
      slices.map(({ perSecond }, round) => perSecond / theirs[round].perSecond),
    ]),
  );
}

/**
 * How many times the heap of another server's connection this one's is, run by run.
 *
 * @returns undefined where one of them tells no heap, or the other was not measured alike
 */
export function heapRatios(cells, cell, other) {
  const theirs = cells.find(
    ({ name, handlers, more }) => name === other && handlers === cell.handlers && more === cell.more,
  );
  if (!theirs) return undefined;
  const heapsOf = ({ runs }) => runs.map(({ heap }) => heap);
  if ([...heapsOf(cell), ...heapsOf(theirs)].includes(null)) return undefined;
  return heapsOf(cell).map((heap, run) => heap / heapsOf(theirs)[run]);
}

/** The same for all servers, with one handler and the most connections that were measured. @returns a Map by name */
export function heapRatiosOf(cells = [], floor) {
  const more = Math.max(...cells.map((cell) => cell.more));
  const ratios = cells
    .filter((cell) => cell.more === more && cell.handlers === 1)
    .map((cell) => [cell.name, heapRatios(cells, cell, floor)]);
  return new Map(ratios.filter(([, values]) => values));
}
