// Where packages come from: the machine's own sources, in both forms that apt knows, and Debian's firmware beside them.
import { expect, test } from 'vitest'
import { withFirmware } from './packages.ts'

test.each([
  [
    'Suites: bookworm\nComponents: main\nSigned-By: x\n',
    'Suites: bookworm\nComponents: main non-free-firmware\nSigned-By: x\n',
  ],
  ['deb http://d/debian bookworm main\n', 'deb http://d/debian bookworm main non-free-firmware\n'],
  ['deb http://d/debian bookworm main non-free-firmware\n', 'deb http://d/debian bookworm main non-free-firmware\n'],
  ['Components: contrib\n# deb nothing main\n', 'Components: contrib\n# deb nothing main\n'],
])('%j', (own, used) => expect(withFirmware(own)).toBe(used))
