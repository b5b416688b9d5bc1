// The board's hardware watchdog, fed by systemd: a kernel or a service manager that hangs costs one restart. The daemon's own watchdog is its unit's.
import type { Board } from '../../board/common/board.ts'
import { ini, made, type SystemFile } from './file.ts'

export function watchdogFiles(board: Board | undefined): SystemFile[] {
  const watchdog = board?.watchdog
  const text = watchdog && ini([['Manager', { RuntimeWatchdogSec: watchdog.seconds, RebootWatchdogSec: '5min' }]])
  return [made('watchdog', '/etc/systemd/system.conf.d/50-gatehouse-watchdog.conf', text)]
}
