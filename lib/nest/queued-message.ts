/** A message that waits for its turn. */
export interface QueuedMessage {
  /** A text, unless a parser of the application's own makes something else of it. */
  readonly event: unknown;
  readonly data: unknown;
  /** Its size on the wire. */
  readonly bytes: number;
  /** The one handler that it is for, where the application's adapter has found it. */
  readonly handler?: ((data: unknown, event: unknown) => unknown) | undefined;
  /** Told when it is over a limit, and nobody handles it. */
  readonly refused?: (() => void) | undefined;
  /** It has waited for a step-up, and was counted then. */
  readonly wasParked?: boolean;
}
