// What the tests of updates share: bundles on a stick, the health check's end, the slots as the board tells them.
import type { Machine } from './machine.ts'

export type Slots = { booted: string; A_OK: string; B_OK: string; TRIAL: string }

/** A board that runs and has found itself good. */
export async function settled(board: Machine): Promise<Slots> {
  // Waits for the boot's own job. To ask again and again would cost an emulated processor a good part of what it waits for.
  await board.must('systemctl start gatehouse-health', 900_000)
  return slotsOf(board)
}

export async function slotsOf(board: Machine): Promise<Slots> {
  const lines = (await board.must('/usr/lib/gatehouse/slots show')).split('\n').map((line) => line.split('='))
  const { booted, A_OK, B_OK, TRIAL } = Object.fromEntries(lines) as Record<string, string>
  return { booted: booted!, A_OK: A_OK!, B_OK: B_OK!, TRIAL: TRIAL! }
}

const plugged = 'mkdir -p /run/stick; mountpoint -q /run/stick || mount -t squashfs -o ro /dev/vdb /run/stick'

/** Script: installs a bundle from the stick. */
export const install = (name: string) => `${plugged}; gatehouse update install /run/stick/${name}.raucb`

export async function reboot(board: Machine): Promise<void> {
  await board.sh('systemctl reboot --no-block', 60_000)
  await board.booted(900_000)
}
