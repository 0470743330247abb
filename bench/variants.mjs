/** What is compared. The first is the floor that ratios are taken against. */
export const VARIANTS = [
  { name: 'bare ws', file: 'bare-ws.mjs' },
  { name: 'stock Nest', file: 'stock-nest.mjs' },
  { name: 'guarded', file: 'guarded-nest.mjs' },
  { name: 'public', file: 'guarded-nest.mjs', env: { BENCH_GATEWAY: 'public' }, isExtra: true },
];
