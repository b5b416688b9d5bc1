// The process of a fleet: takes orders from the benchmark that started it, by Node's channel, one at a time. Ends when the channel does.
import process from 'node:process'
import { codeCbcBy } from '../../crypto/cipher.ts'
import { loadNative } from '../../platform/addon.ts'
import { Fleet, type FleetOptions, type Round } from './fleet.ts'

export type Order =
  | { readonly order: 'open'; readonly options: FleetOptions }
  | {
      readonly order: 'logIn'
      readonly count: number
      readonly atOnce: number
      readonly seconds: number
      readonly paced: boolean
    }
  | { readonly order: 'count' }
  | { readonly order: 'close'; readonly politely: boolean }

export type Answer = { readonly is: 'done'; readonly result: unknown } | { readonly is: 'failed'; readonly why: string }

/** What `count` answers. */
export type Count = { readonly up: number; readonly dropped: readonly string[] }

// As the gateway's process has it.
codeCbcBy(loadNative().codeCbc)

let fleet: Fleet | undefined

process.on('message', (order: Order) => {
  obey(order).then(
    (result) => process.send?.({ is: 'done', result } satisfies Answer),
    (error: Error) => process.send?.({ is: 'failed', why: error.message } satisfies Answer),
  )
})
process.on('disconnect', () => process.exit(1))
// Ctrl-C is the benchmark's to hear.
process.on('SIGINT', () => {})

async function obey(order: Order): Promise<Round | Count | undefined> {
  switch (order.order) {
    case 'open':
      fleet = new Fleet(order.options)
      return undefined
    case 'logIn':
      return fleet!.logIn(order.count, order.atOnce, order.seconds, order.paced)
    case 'count':
      return { up: fleet!.up, dropped: fleet!.dropped }
    case 'close':
      await fleet?.close(order.politely)
      fleet = undefined
      return undefined
  }
}
