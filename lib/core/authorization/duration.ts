const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `'90s'`, `'5m'`, `'2h'`, `'1d'` or milliseconds. @returns `null` for anything else, and for what is not above 0 */
export function readDurationMs(duration: unknown): number | null {
  if (typeof duration === 'number') return Number.isFinite(duration) && duration > 0 ? duration : null;
  const match = typeof duration === 'string' ? /^(\d{1,9})(ms|s|m|h|d)$/.exec(duration) : null;
  if (!match) return null;
  const ms = Number(match[1]) * UNITS[match[2]!]!;
  return ms > 0 ? ms : null;
}
