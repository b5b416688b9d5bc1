// A reporter for every vitest suite: a test that passed only at its second try is named when the suite ends, with what its first try said. On a machine whose
// cores others use as well such a test is no failure, and it is no secret either.
import type { Reporter, TestCase, TestModule } from 'vitest/node'

type TestError = NonNullable<ReturnType<TestCase['result']>['errors']>[number]

/** Lines of a first try's failure that are printed. */
const most = 60

export default class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests('passed')) {
        if (!test.diagnostic()?.flaky) continue
        process.stdout.write(`passed at the second try: ${test.fullName}: ${firstTry(test.result().errors?.[0])}\n`)
      }
    }
  }
}

/** What the first try said: its message, what differed, and where. */
function firstTry(error: TestError | undefined): string {
  if (!error) return 'no reason kept'
  const at = error.stacks?.[0]
  const lines = [error.message, error.diff ?? '', at ? `at ${at.file}:${at.line}` : '']
    .filter((part) => part !== '')
    .flatMap((part) => part.split('\n'))
  return lines.slice(0, most).join('\n    ')
}
