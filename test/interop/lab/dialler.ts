// Our own client, `./gatehouse connect`, dialling out from a namespace of its own.
import { gatehouse } from './gateway-host.ts'
import type { Network } from './network.ts'
import type { Output } from './run.ts'

export type Call = {
  server: string
  psk: string
  user: string
  password: string
  ike?: string
  esp?: string
  /** What the client agrees to; MS-CHAPv2 alone by default. */
  authentication?: string
  /** A shell script run while the session is up, with PPP_LOCAL, PPP_REMOTE, PPP_IFACE and DNS1 set. */
  script: string
  timeoutMs?: number
}

export function gatehouseConnect(network: Network, call: Call): Promise<Output> {
  const options = [
    ...(call.ike ? ['--ike', call.ike] : []),
    ...(call.esp ? ['--esp', call.esp] : []),
    ...(call.authentication ? ['--authentication', call.authentication] : []),
  ]
  const who = ['--server', call.server, '--psk', call.psk, '--user', call.user, '--password', call.password]
  return network.exec('dialler', [gatehouse, 'connect', ...who, ...options, '--', 'sh', '-c', call.script], {
    timeoutMs: call.timeoutMs ?? 60_000,
  })
}
