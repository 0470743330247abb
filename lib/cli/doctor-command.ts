import { examine } from '../core/doctor/doctor.js';
import { isRefusedWhenStrict } from '../core/doctor/finding.js';
import { WS_AUTH_DOCTOR } from '../nest/ws-auth.constants.js';
import type { WsAuthDoctor } from '../nest/ws-auth.doctor.js';
import { BuiltApplication, problemsOf } from './built-application.js';
import { EXIT, readArguments, type CommandIo } from './command-line.js';
import { refusal, toJson, toText, type DoctorReport } from './doctor-report.js';

/** `doctor <module>`: what is unsafe or odd about an application, which is built and not started. */
export async function runDoctor(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    { json: { type: 'boolean' }, strict: { type: 'boolean' }, production: { type: 'boolean' } },
    { least: 1, most: 1 },
  );
  if (values.production) process.env.NODE_ENV = 'production';
  const [place] = positionals as [string];
  const report = { module: place, ...(await diagnose(place)) };
  io.out(values.json ? toJson(report) : toText(report));
  const isBad = report.findings.some(
    (finding) => finding.severity === 'error' || (values.strict === true && isRefusedWhenStrict(finding)),
  );
  return isBad ? EXIT.found : EXIT.ok;
}

async function diagnose(place: string): Promise<Omit<DoctorReport, 'module'>> {
  try {
    const doctor = (await BuiltApplication.of(place)).find<WsAuthDoctor>(WS_AUTH_DOCTOR);
    const facts = await doctor.facts().finally(() => doctor.release());
    const { findings, ignored } = examine(facts);
    const refusals = (facts.redis?.server?.problems ?? []).map(refusal);
    return { production: isProduction(), findings: [...refusals, ...findings], ignored };
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === undefined) throw error;
    return { production: isProduction(), findings: problems.map(refusal), ignored: [] };
  }
}

/** Asked when the application was loaded, which may set it. */
function isProduction(): boolean {
  return process.env.NODE_ENV === 'production';
}
