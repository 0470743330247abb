/**
 * Closes a run with `N passed, N failed` alone on a line, which every CI can read. Before it stands what passed only when
 * it was tried again.
 */
export default class CountReporter {
  onTestRunEnd(modules, errors) {
    let passed = 0;
    let failed = 0;
    let skipped = 0;
    const lines = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state, errors: reasons } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'skipped') skipped += 1;
        else failed += 1;
        if (test.diagnostic()?.flaky) {
          lines.push(
            `needed a second try: ${module.relativeModuleId} > ${test.fullName}: ${textOf(reasons)}`,
          );
        }
      }
      if (module.errors().length > 0) failed += 1;
      // A hook that fails leaves its tests skipped: that is no pass.
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
    }
    failed += errors.length;
    lines.push(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
    process.on('exit', () => console.log(lines.join('\n')));
  }
}

/** Why the first try failed, on one line. */
function textOf([{ message, actual, stacks } = {}] = []) {
  const [place] = stacks ?? [];
  const parts = [message, actual && `it is ${actual}`, place && `line ${place.line}`].filter(Boolean);
  return parts.join('; ').replace(/\s+/g, ' ').slice(0, 500);
}
