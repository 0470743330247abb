/** Round by round over all members, each round beginning with another one. @returns what was measured, by name, one for each round */
export async function inRounds(members, rounds, measureOne) {
  const slices = Object.fromEntries(members.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const turned = members.map((_, index) => members[(index + round) % members.length]);
    for (const member of turned) slices[member.name].push(await measureOne(member));
  }
  return slices;
}

/** What a server used while something was done: processor time in ms, and the share of the collector in its busy time. */
export async function serverCost(child, work) {
  const before = await child.ask('usage');
  const done = await work();
  const after = await child.ask('usage');
  const cpuMs = (after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system) / 1_000;
  // Both by the clock on the wall: a collection is pushed aside by other processes as everything is.
  const gcShare = (after.gcMs - before.gcMs) / (after.busyMs - before.busyMs);
  return { done, cpuMs, gcShare };
}
