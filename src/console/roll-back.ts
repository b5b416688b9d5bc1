// Back from a commit that failed or that nobody confirmed. Apart from commit.ts, since the guard waits with this alone in memory.
import type { Archive, Pending } from './archive.ts'
import type { Device } from './device.ts'

/** Whether the text has a `system` section: without one the board's own settings are not ours. */
export function hasSystem(text: string | null): boolean {
  return text !== null && /^system\s*:/m.test(text)
}

/** Keeps a text as a revision. */
export function keep(device: Device, archive: Archive, text: string, who: string, comment: string): void {
  archive.record(text, { at: device.now().toISOString(), who, comment })
}

/** Has the board and the gateway take the file into use; sentences for the user. */
export async function take(device: Device, system: boolean): Promise<readonly string[]> {
  if (system) await device.applySystem()
  return [await device.reload()]
}

/** Goes back to what the record holds. A sentence says how it went; undefined where there is no record any more. */
export async function rollBack(device: Device, archive: Archive, why: string): Promise<string | undefined> {
  const record = archive.claim()
  if (!record) return undefined
  restore(device, archive, record, why)
  const none = record.previous === null
  let said = none ? 'there is no configuration, as before' : 'the earlier configuration is in use again'
  try {
    // Always both: what is gone back from may have set up what the earlier one doesn't speak of.
    await take(device, true)
  } catch (error) {
    const back = none ? said : 'the earlier configuration is back in its file'
    said = `${back}, but: ${(error as Error).message}`
  }
  archive.release()
  device.log(`commit rolled back (${why}): ${said}`)
  return said
}

function restore(device: Device, archive: Archive, { previous, who }: Pending, why: string): void {
  archive.replace(previous ?? undefined)
  if (previous !== null) keep(device, archive, previous, who, `rolled back: ${why}`)
}

/** At boot, before anything reads the configuration: a commit that isn't finished goes back. A sentence where that happened. */
export function rollBackAtBoot(device: Device, archive: Archive): string | undefined {
  const found = archive.claimed() ?? archive.pending()
  if (!found || (archive.claimed() === undefined && found.boot === device.bootId())) return undefined
  const record = archive.claim()!
  restore(device, archive, record, 'the board was started again before it was confirmed')
  archive.release()
  const said = 'a commit that was not confirmed is rolled back, since the board was started again'
  device.log(said)
  return said
}

/** Whether the record is due: its time is over, the board was started again, or who applied it is dead. */
export function isDue({ stage, boot, deadline, process: pid }: Pending, device: Device): boolean {
  if (boot !== device.bootId() || device.monotonicMs() >= deadline) return true
  return stage === 'applying' && !device.lives(pid)
}

/** What a starting console does with a record: rolls back what is due, sees to a guard for what isn't. */
export async function resume(device: Device, archive: Archive): Promise<string | undefined> {
  if (archive.claimed()) return rollBack(device, archive, 'a roll-back was interrupted')
  const pending = archive.pending()
  if (!pending) return undefined
  if (isDue(pending, device)) return rollBack(device, archive, 'it was not confirmed in time')
  if (pending.stage === 'confirmation') await device.startGuard()
  return undefined
}

/** Milliseconds between two looks of the guard: also what a confirmation that crosses it may be late. */
const guardMs = 1000

/** The guard: waits until the commit is finished or due, and rolls it back then. Resolves to what it did. */
export async function guard(device: Device, archive: Archive, sleep: (ms: number) => Promise<void>): Promise<string> {
  for (;;) {
    const pending = archive.pending()
    if (!pending) return 'the commit was confirmed'
    if (isDue(pending, device))
      return (await rollBack(device, archive, 'it was not confirmed in time')) ?? 'done by another'
    await sleep(Math.min(Math.max(pending.deadline - device.monotonicMs(), 1), guardMs))
  }
}
