// Every parser and every machine of the TypeScript side that octets from outside reach.
import type { Target } from '../target.ts'
import { consoleTargets } from './console.ts'
import { dhcpTargets } from './dhcp.ts'
import { ikeCoreTargets } from './ike-core.ts'
import { ikeWireTargets } from './ike-wire.ts'
import { l2tpTargets } from './l2tp.ts'
import { pkiTargets } from './pki.ts'
import { pppTargets } from './ppp.ts'
import { textTargets } from './text.ts'

export const targets: readonly Target[] = [
  ...ikeWireTargets,
  ...ikeCoreTargets,
  ...l2tpTargets,
  ...pppTargets,
  ...dhcpTargets,
  ...pkiTargets,
  ...textTargets,
  ...consoleTargets,
]
