import { execFileSync } from 'node:child_process';

/** Descriptors that a process has besides its connections. */
const SPARE = 200;

/** What a process may open. Node has raised its own soft limit to the hard one, and what it starts inherits that. */
export function descriptorLimit() {
  const limit = execFileSync('bash', ['-c', 'ulimit -Sn'], { encoding: 'utf8' }).trim();
  return limit === 'unlimited' ? Infinity : Number(limit);
}

/** True when a process can hold so many connections; says in one sentence why not. */
export function canHold(connections, log, limit = descriptorLimit()) {
  if (limit >= connections + SPARE) return true;
  log(
    `${connections} connections need ${connections + SPARE} descriptors and the hard limit is ${limit}: left out; ` +
      `raise it by "ulimit -Hn" as root, or LimitNOFILE= of systemd`,
  );
  return false;
}
