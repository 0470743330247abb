import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { summarizeProfile } from './cpu-profile.mjs';
import { RESULTS } from './results.mjs';
import { table } from './table.mjs';

/** Profiles each server during a slice more, and prints whose functions took the time. After all others, because a profiler costs time itself. */
export async function profileServers(members, what, slice) {
  mkdirSync(RESULTS, { recursive: true });
  // Python has no such profiler.
  for (const member of members.filter(({ variant }) => !variant.file.endsWith('.py'))) {
    const file = join(RESULTS, `${`${member.name} ${what}`.replaceAll(/[^\w.]+/g, '-')}.cpuprofile`);
    await member.child.ask('startProfile');
    await slice(member);
    await member.child.ask('stopProfile', { file });
    const { owners, functions } = summarizeProfile(file);
    const rows = (entries) => entries.map(({ name, share }) => [name, `${(share * 100).toFixed(1)} %`]);
    console.log(`\n### Where ${member.name} spends its time (${what})\n`);
    console.log(table(['whose', 'self time'], rows(owners)));
    console.log(`\n${table(['function', 'self time'], rows(functions))}`);
  }
}
