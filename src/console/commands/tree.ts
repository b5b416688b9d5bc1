// The two trees of commands, one a mode.
import type { Command, Mode } from '../shell.ts'
import { capture } from './capture.ts'
import { certificate } from './certificate.ts'
import { check, commit, confirm, discard, rollback } from './commit.ts'
import { compare } from './compare.ts'
import { configure } from './configure.ts'
import { remove } from './delete.ts'
import { disconnect } from './disconnect.ts'
import { factoryReset } from './factory-reset.ts'
import { load } from './load.ts'
import { exit, logout } from './logout.ts'
import { ping } from './ping.ts'
import { reboot, restart } from './reboot.ts'
import { set } from './set.ts'
import { setup } from './setup.ts'
import { show } from './show.ts'
import { showCandidate } from './show-candidate.ts'
import { techSupport } from './tech-support.ts'
import { terminal } from './terminal.ts'
import { traceroute } from './traceroute.ts'
import { update } from './update.ts'

const everywhere = [capture, disconnect, exit, logout, ping, reboot, techSupport, terminal, traceroute]

export const trees: Readonly<Record<Mode, readonly Command[]>> = {
  operational: byWord([...everywhere, certificate, show, configure, factoryReset, restart, setup, update]),
  configure: byWord([
    ...everywhere,
    showCandidate,
    configure,
    check,
    commit,
    compare,
    confirm,
    remove,
    discard,
    load,
    rollback,
    set,
  ]),
}

function byWord(commands: readonly Command[]): readonly Command[] {
  return [...commands].sort((a, b) => (a.word < b.word ? -1 : 1))
}
