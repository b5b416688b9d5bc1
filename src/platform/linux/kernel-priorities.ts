// Which of the kernel's crypto drivers come first while we run. What they had before is journalled, so that it is put back at exit, or at the next start
// after a kill.
import type { NativeEngines } from '../addon.ts'
import type { Store } from '../store.ts'

export type Priority = { readonly driver: string; readonly priority: number }

export type PriorityOutcome =
  | {
      readonly is: 'changed'
      readonly driver: string
      readonly before: number
      readonly after: number
      readonly inUse: readonly string[]
    }
  | { readonly is: 'put back'; readonly driver: string; readonly after: number }
  | { readonly is: 'refused'; readonly driver: string; readonly why: string }

const journal = 'engines.json'

type Kernel = Pick<NativeEngines, 'hasEngine' | 'listKernelAlgorithms' | 'setAlgorithmPriority'>

export class KernelPriorities {
  readonly #kernel: Kernel
  readonly #store: Pick<Store, 'read' | 'write' | 'remove'>
  /** Driver → the priority that it had before we came. */
  #before: Map<string, number>

  constructor(kernel: Kernel, store: Pick<Store, 'read' | 'write' | 'remove'>) {
    this.#kernel = kernel
    this.#store = store
    this.#before = readJournal(store.read(journal))
  }

  /** Gives each driver its priority, and what a former process raised and nobody wants any more its own one back. Never throws: what fails is said. */
  apply(wanted: readonly Priority[]): readonly PriorityOutcome[] {
    const outcomes = this.#putBack((driver) => !wanted.some((one) => one.driver === driver))
    return [...outcomes, ...wanted.flatMap((one) => this.#raise(one) ?? [])]
  }

  restore(): readonly PriorityOutcome[] {
    return this.#putBack(() => true)
  }

  #raise({ driver, priority }: Priority): PriorityOutcome | undefined {
    const present = () => this.#kernel.listKernelAlgorithms().algorithms.find((one) => one.driver === driver)
    // Modules are loaded, and templates such as cryptd(…) made, by being asked for.
    let found = present()
    if (!found && this.#kernel.hasEngine(`af-alg:${driver}`)) found = present()
    if (!found)
      return {
        is: 'refused',
        driver,
        why: 'the kernel has no driver of this name; is its module loaded, its device there?',
      }
    if (found.priority === priority) return undefined
    if (!this.#before.has(driver)) this.#note(driver, found.priority)
    try {
      const { before, inUse } = this.#kernel.setAlgorithmPriority(driver, priority)
      return { is: 'changed', driver, before, after: priority, inUse }
    } catch (error) {
      return { is: 'refused', driver, why: (error as Error).message }
    }
  }

  #putBack(which: (driver: string) => boolean): readonly PriorityOutcome[] {
    const outcomes: PriorityOutcome[] = []
    for (const [driver, priority] of [...this.#before]) {
      if (!which(driver)) continue
      try {
        this.#kernel.setAlgorithmPriority(driver, priority)
        outcomes.push({ is: 'put back', driver, after: priority })
      } catch (error) {
        // A driver that is gone has nothing to be put back.
        if ((error as { code?: unknown }).code !== 'ENOENT')
          outcomes.push({ is: 'refused', driver, why: (error as Error).message })
      }
      this.#note(driver, undefined)
    }
    return outcomes
  }

  /** Written before the kernel is told, or a kill between the two would lose it. */
  #note(driver: string, priority: number | undefined): void {
    if (priority === undefined) this.#before.delete(driver)
    else this.#before.set(driver, priority)
    if (this.#before.size === 0) this.#store.remove(journal)
    else this.#store.write(journal, `${JSON.stringify(Object.fromEntries(this.#before))}\n`)
  }
}

/** A journal that can't be read is none: it was written whole, so somebody else has been at it. */
function readJournal(text: string | undefined): Map<string, number> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    if (typeof value !== 'object' || value === null) return new Map()
    return new Map(Object.entries(value).filter((entry): entry is [string, number] => Number.isInteger(entry[1])))
  } catch {
    return new Map()
  }
}

/** One sentence for the log. */
export function sayPriority(outcome: PriorityOutcome): string {
  if (outcome.is === 'refused') return `the priority of the kernel's ${outcome.driver} was not changed: ${outcome.why}`
  if (outcome.is === 'put back') return `the kernel's ${outcome.driver} has its priority ${outcome.after} again`
  const { driver, before, after, inUse } = outcome
  const late = inUse.length > 0 ? `; SAs go on with ${inUse.join(', ')} until those that use it are gone` : ''
  return `the kernel's ${driver} has priority ${after} instead of ${before}${late}`
}
