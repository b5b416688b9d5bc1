// A reporter for every vitest suite: a test that passed only at its second try is named when the suite ends, with what its first try said. On a machine whose
// cores others use as well such a test is no failure, and it is no secret either.
import type { Reporter, TestModule } from 'vitest/node'

export default class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests('passed')) {
        if (!test.diagnostic()?.flaky) continue
        const why = test.result().errors?.[0]?.message.split('\n')[0] ?? 'no reason kept'
        process.stdout.write(`passed at the second try: ${test.fullName}: ${why}\n`)
      }
    }
  }
}
