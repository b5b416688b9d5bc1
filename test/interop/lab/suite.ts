// The describe that every interop file stands in: without root it is skipped by name, since nothing of the lab works then.
import { describe } from 'vitest'

export const interop = describe.runIf(process.getuid?.() === 0)
