// CONTRACT. Where a gateway writes down what it knows, so that a restarted one goes on from it.
import type { Records } from '../wire/durable.ts'

export interface Journal {
  /** What a former process left; undefined where nothing is there to go on from. */
  readonly former: Records | undefined
  /** Replaces records by name, undefined removes one; all of it or nothing is there after a crash. Returns when it is. */
  write(records: Records): void
  /** Everybody was said goodbye to: nothing is to be gone on from. */
  end(): void
}
