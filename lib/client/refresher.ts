import { fieldsOf, type Frame } from './frame.js';
import type { Host } from './host.js';
import type { Presented } from './presented-credential.js';

/** Keeps one admitted connection alive beyond its `expiresAt`: a fresh credential in time, over the socket that is open. */
export interface Refresher {
  /** Looks at the library's own frames. */
  take(frame: Frame): void;
  /** After a time in which timers may have stood still. */
  check(): void;
  /** Sends a credential, a fresh one when none is given. Does nothing while one is on its way. */
  refresh(given?: Presented): Promise<void>;
  stop(): void;
}

/** What the refresher does not do itself. */
export interface RefreshActions {
  /** @returns a fresh credential, or none when nobody is logged in */
  fetch(): Promise<Presented | null | undefined>;
  send(credential: Presented): void;
  /** The server did not answer: the socket is dead. */
  drop(): void;
}

const MAX_LEAD_MS = 300_000;
/** After a fetch that failed, or a refresh that could not be checked; each further time twice as long. */
const AGAIN_MS = 5_000;

/** What the frames say that the refresher looks at. */
interface Fields {
  readonly expiresAt: number;
  readonly serverTime: number;
  readonly event: string;
  readonly name: string;
  readonly retryAfterMs: number;
}

/** @param timeoutMs how long the server may take to answer */
export function startRefresher(host: Host, timeoutMs: number, actions: RefreshActions): Refresher {
  let cancel = (): void => {};
  let dueAt = Infinity;
  let isBusy = false;
  /** Failures in a row. */
  let failures = 0;
  let isOver = false;

  const arm = (ms: number): void => {
    if (isOver) return;
    cancel();
    dueAt = host.now() + ms;
    if (ms < Infinity) cancel = host.after(ms, check);
  };
  const again = (ms = AGAIN_MS): void => {
    isBusy = false;
    arm(Math.min(MAX_LEAD_MS, ms * 2 ** failures) * (1 + host.random()));
    failures += 1;
  };
  const check = (): void => {
    const leftMs = dueAt - host.now();
    if (leftMs > 0) arm(leftMs);
    else void refresh();
  };
  const refresh = async (given?: Presented): Promise<void> => {
    if (isBusy || isOver) return;
    isBusy = true;
    arm(Infinity);
    try {
      const credential = given ?? (await actions.fetch());
      if (isOver) return;
      if (!credential) isBusy = false;
      else {
        actions.send(credential);
        cancel = host.after(timeoutMs, actions.drop);
      }
    } catch {
      again();
    }
  };

  return {
    take({ event, data }) {
      const { expiresAt, serverTime, event: refused, name, retryAfterMs } = fieldsOf<Fields>(data);
      if (event === 'auth.ok') {
        isBusy = false;
        failures = 0;
        // A difference of two times of the server's: what the clock of this machine says does not matter.
        const lifetimeMs = expiresAt! - serverTime!;
        // Ahead by a fifth, at most 5 minutes, and up to half as much again, so that not all clients come at once.
        const leadMs = Math.min(MAX_LEAD_MS, lifetimeMs / 5) * (1 + host.random() / 2);
        arm(lifetimeMs > 0 ? Math.max(1_000, lifetimeMs - leadMs) : Infinity);
      }
      if (event === 'auth.expiring') void refresh();
      if ((event === 'exception' && refused === 'auth.refresh') || (event === 'rate' && name === 'refresh'))
        again(Math.max(1_000, retryAfterMs!) || undefined);
    },
    check,
    refresh,
    stop() {
      cancel();
      isOver = true;
    },
  };
}
