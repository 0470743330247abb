/** Closes a run with `N passed, N failed` alone on a line, which every CI can read. */
export default class CountReporter {
  onTestRunEnd(modules, errors) {
    let passed = 0;
    let failed = 0;
    let skipped = 0;
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'skipped') skipped += 1;
        else failed += 1;
      }
      if (module.errors().length > 0) failed += 1;
      // A hook that fails leaves its tests skipped: that is no pass.
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
    }
    failed += errors.length;
    this.line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
    process.on('exit', () => console.log(this.line));
  }
}
