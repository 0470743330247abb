/** Returns the current time as Unix milliseconds. Passed in everywhere, so that tests own the time. */
export type Clock = () => number;

/** The wall clock of this machine: absolute times (`exp`, session ends) are compared with it. */
export const systemClock: Clock = () => Date.now();

/** A clock that never jumps and has no meaning but its differences: durations are measured with it. */
export const monotonicClock: Clock = () => performance.now();
