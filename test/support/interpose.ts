import { latch, type Latch } from './core-harness.js';

type Method = (...args: never[]) => unknown;

/** Puts something around a method of a live object. @returns what takes it away again */
export function interpose<T extends object, K extends keyof T>(
  target: T,
  name: K,
  around: (original: T[K]) => T[K],
): () => void {
  const original = target[name];
  target[name] = around((original as Method).bind(target) as T[K]);
  return () => {
    target[name] = original;
  };
}

/** Calls that stand still until a test lets them go on. */
export interface HeldCalls {
  readonly count: number;
  /** Resolves when so many calls have come. */
  arrived(count?: number): Promise<void>;
  /** Lets go what stands, and whatever comes later. */
  release(): void;
}

/**
 * Makes the calls of an asynchronous method wait: before the method runs, so that it decides on what holds when it is let
 * go; or after it, so that its answer is old by the time it is heard.
 */
export function holdCalls<T extends object, K extends keyof T>(
  target: T,
  name: K,
  where: 'before' | 'after' = 'before',
): HeldCalls {
  const gate: Latch = latch();
  const arrivals: Latch[] = [];
  let count = 0;
  const arrivalOf = (index: number): Latch => (arrivals[index] ??= latch());
  const arrive = (): void => arrivalOf(count++).open();
  interpose(target, name, (original) => {
    const held = async (...args: never[]): Promise<unknown> => {
      const call = original as unknown as Method;
      if (where === 'before') {
        arrive();
        await gate.opened;
        return call(...args);
      }
      const answer = await call(...args);
      arrive();
      await gate.opened;
      return answer;
    };
    return held as unknown as T[K];
  });
  return {
    get count() {
      return count;
    },
    arrived: (wanted = 1) => arrivalOf(wanted - 1).opened,
    release: gate.open,
  };
}
