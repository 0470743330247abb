import { Console } from 'node:console';
import { ModulesContainer, NestFactory } from '@nestjs/core';
import { examine } from '../core/doctor/doctor.js';
import { isRefusedWhenStrict } from '../core/doctor/finding.js';
import { WS_AUTH_DOCTOR } from '../nest/ws-auth.constants.js';
import type { WsAuthDoctor } from '../nest/ws-auth.doctor.js';
import { CommandFailed, EXIT, readArguments, type CommandIo } from './command-line.js';
import { refusal, toJson, toText, type DoctorReport } from './doctor-report.js';
import { IdleHttpAdapter } from './idle-http-adapter.js';
import { firstLine, loadModule, type LoadedModule } from './load-module.js';

/**
 * `doctor <module>`: what is unsafe or odd about an application. It is built and not started: constructors and factories
 * run, lifecycle hooks do not, and nothing listens.
 */
export async function runDoctor(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    { json: { type: 'boolean' }, strict: { type: 'boolean' }, production: { type: 'boolean' } },
    { least: 1, most: 1 },
  );
  if (values.production) process.env.NODE_ENV = 'production';
  // What the application prints while it is loaded is no part of the answer.
  globalThis.console = new Console(process.stderr);
  const [place] = positionals as [string];
  const report = { module: place, ...(await diagnose(await loadModule(place))) };
  io.out(values.json ? toJson(report) : toText(report));
  const isBad = report.findings.some(
    (finding) => finding.severity === 'error' || (values.strict === true && isRefusedWhenStrict(finding)),
  );
  return isBad ? EXIT.found : EXIT.ok;
}

async function diagnose(module: LoadedModule): Promise<Omit<DoctorReport, 'module'>> {
  const production = process.env.NODE_ENV === 'production';
  try {
    const doctor = await doctorOf(module);
    const facts = await doctor.facts().finally(() => doctor.release());
    const { findings, ignored } = examine(facts);
    const refusals = (facts.redis?.server?.problems ?? []).map(refusal);
    return { production, findings: [...refusals, ...findings], ignored };
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === undefined) throw error;
    return { production, findings: problems.map(refusal), ignored: [] };
  }
}

async function doctorOf(module: LoadedModule): Promise<WsAuthDoctor> {
  const app = await NestFactory.create(module, new IdleHttpAdapter(), {
    logger: false,
    abortOnError: false,
  }).catch((error: unknown) => {
    if (problemsOf(error)) throw error;
    throw new CommandFailed(`the application cannot be built: ${firstLine(error)}`);
  });
  const modules = [...app.get(ModulesContainer).values()];
  const found = modules.map(({ providers }) => providers.get(WS_AUTH_DOCTOR)?.instance).find(Boolean);
  if (!found) throw new CommandFailed('the application does not import WsAuthModule.forRoot()');
  return found as WsAuthDoctor;
}

/** By code and not by class: the application may have loaded the other build of this library. */
function problemsOf(error: unknown): readonly string[] | undefined {
  const { code, problems } = (error ?? {}) as { code?: unknown; problems?: unknown };
  return code === 'invalid_options' && Array.isArray(problems) ? (problems as string[]) : undefined;
}
