// The packet filter of an IPsec policy, in memory: what it was told, and packets that meet its rules when a test says so.
import type { PacketPolicy, PolicyPlan } from '../../src/platform/packet-policy.ts'

export class FakePacketPolicy implements PacketPolicy {
  readonly did: string[] = []
  plan: PolicyPlan | undefined
  asking: { soft: number; peer: string }[] = []
  /** How many lists were put in force. */
  enforced = 0
  /** The machine's addresses; a test may change them. */
  own: string[]

  constructor(...own: string[]) {
    this.own = own
  }

  facts() {
    return { own: this.own, dns: [], gateway: [] }
  }
  async enforce(plan: PolicyPlan) {
    this.plan = plan
    this.enforced++
  }
  async wanted() {
    return this.asking.splice(0)
  }
  async allowClear(soft: number, peer: string, seconds: number) {
    this.did.push(`clear ${soft} ${peer} ${seconds}`)
  }
  async endClear(soft: number, peer: string) {
    this.did.push(`end ${soft} ${peer}`)
  }
  async clear() {
    this.plan = undefined
  }
}
