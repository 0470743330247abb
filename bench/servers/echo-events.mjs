/** The events that a server knows. All names have one length, so that every reply has. */
export function echoEvents() {
  const count = Number(process.env.BENCH_HANDLERS ?? 1);
  return Array.from({ length: count }, (_, index) => `event${String(index).padStart(3, '0')}`);
}
