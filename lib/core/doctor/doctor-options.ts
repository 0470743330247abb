import type { OptionProblems } from '../option-rules.js';
import {
  defaultsOf,
  resolveGroup,
  strings,
  type OptionSpec,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';
import { CHECK_IDS, type CheckId } from './check-ids.js';

/** What the doctor looks for at the boot, and in `npx nestjs-ws-auth doctor`. */
export interface DoctorOptions {
  /** Ids of checks whose findings are meant: they are neither logged nor refused by `strict`. docs/doctor.md has them. @default [] */
  ignore?: readonly CheckId[];
}

const SPECS = {
  ignore: strings(
    (entry) => (CHECK_IDS as readonly string[]).includes(entry),
    'ids of checks, as docs/doctor.md has them',
  ) as OptionSpec<readonly CheckId[]>,
} satisfies OptionSpecs<DoctorOptions>;

/** The options with their values. */
export type ResolvedDoctorOptions = OptionValues<typeof SPECS>;

export const DOCTOR_DEFAULTS = defaultsOf(SPECS);

/** Validates the `doctor` group. */
export function resolveDoctorOptions(given: unknown, problems: OptionProblems): ResolvedDoctorOptions {
  return resolveGroup('doctor', SPECS, given, problems);
}
