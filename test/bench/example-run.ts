export interface Slice {
  perSecond: number;
  cpuMicros: number;
}

export interface MemoryCell {
  name: string;
  handlers: number;
  more: number;
  runs: { heap: number | null; external: number | null; rss: number }[];
}

/** A result of the bench, as far as the documents are made of it. */
export interface ExampleRun {
  environment: Record<string, unknown>;
  settings: { mode: string };
  echo?: { handlers: number; window: number; slices: Record<string, Slice[]> }[];
  handshake?: { slices: Record<string, Slice[]> };
  memory?: MemoryCell[];
  revocation?: {
    one: { variant: string; runs: { closeMs: number[] }[] }[];
    many: { count: number; variants: { name: string; runs: { fencedMs: number; closedMs: number }[] }[] };
  };
  'redis-cost'?: { microsPer: Record<string, number> };
}

const slices = (...perSecond: number[]): Slice[] =>
  perSecond.map((count) => ({ perSecond: count, cpuMicros: 500_000 / count }));

const cell = (name: string, handlers: number, ...heaps: (number | null)[]): MemoryCell => ({
  name,
  handlers,
  more: 10_000,
  runs: heaps.map((heap) => ({ heap, external: heap && 0, rss: 8_000 })),
});

/** Round numbers, so that a test can say what comes of them. */
export function exampleRun(): ExampleRun {
  return {
    environment: {
      date: '2026-01-02T03:04:05.678Z',
      commit: 'abc1234',
      node: 'v20.20.2',
      cpu: 'Example CPU',
      cores: 2,
      isPinned: true,
      versions: { ws: '8.23.0' },
    },
    settings: { mode: 'full' },
    echo: [
      {
        handlers: 1,
        window: 8,
        slices: {
          'bare ws': slices(100_000, 50_000, 100_000),
          'stock Nest': slices(60_000, 30_000, 60_000),
          guarded: slices(120_000, 70_000, 110_000),
        },
      },
      {
        handlers: 1,
        window: 1,
        slices: { 'bare ws': slices(50_000), guarded: slices(40_000) },
      },
    ],
    handshake: {
      slices: {
        'bare ws': slices(8_000, 8_000),
        tutorial: slices(1_000, 1_000),
        'tutorial (KeyObject)': slices(4_000, 4_000),
        guarded: slices(6_000, 4_000),
        'guarded ticket on Redis': slices(4_000, 4_000),
      },
    },
    memory: [
      cell('bare ws', 1, 2_000, 2_000),
      cell('stock Nest', 1, 10_000, 10_000),
      cell('guarded', 1, 3_000, 4_000),
      cell('guarded', 100, 3_500, 3_500),
      cell('Python websockets', 1, null, null),
    ],
    revocation: {
      one: [
        { variant: 'guarded, memory', runs: [{ closeMs: [1, 1] }] },
        { variant: 'guarded, Redis', runs: [{ closeMs: [1, 2] }, { closeMs: [3, 4] }] },
      ],
      many: {
        count: 5_000,
        variants: [
          { name: 'guarded, Redis', runs: [{ fencedMs: 2, closedMs: 500 }] },
          { name: 'ws + PUBLISH, one loop', runs: [{ fencedMs: 60, closedMs: 70 }] },
        ],
      },
    },
    'redis-cost': { microsPer: { ticketIssue: 8, ticketHandshake: 13, goodbye: 4 } },
  };
}
