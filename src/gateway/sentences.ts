// Makes one sentence of each event: what happened, to whom, why in the plain word of the cause, and the number that the client's user sees.
import type { LogRecord } from '../platform/log.ts'
import { type Path, showEndpoint } from '../wire/address.ts'
import { printable } from '../wire/codec.ts'
import type { GatewayEvent, Origin } from './events.ts'

export type Rendered = Pick<LogRecord, 'level' | 'sentence'>

/** The sentence of an event. Text that a peer sent is escaped here, unless its layer has escaped it already (`why` always has). */
export function render(event: GatewayEvent, origin: Origin): Rendered {
  const who = whoIs(event, origin)
  switch (event.event) {
    case 'ike.sa.established':
      return info(
        `IKE with ${who} is ${event.rekeyed ? 'renewed' : 'up'}: ${event.proposal}, identity ${shown(event.identity)}${weakly(event.weak)}`,
      )
    case 'ike.sa.closed':
      return debug(`IKE with ${who} is closed: ${event.reason}`)
    case 'ike.negotiation.refused':
      return warn(`${who} was refused: ${withCause(event.cause, event.why)}${seen(event.userSees, event.why)}`)
    case 'ike.pair.established':
      return debug(`ESP with ${who} is ${event.rekeyed ? 'renewed' : 'up'}: ${event.proposal}${weakly(event.weak)}`)
    case 'ike.pair.truncated':
      return info(
        `${who} cuts SHA2-256 to ${event.bits} bits, ${event.bits === 96 ? 'as a draft of RFC 4868 said, not to 128 as the RFC says' : 'as RFC 4868 says'}: this ESP pair does now too`,
      )
    case 'ike.pair.removed':
      return debug(`an ESP pair with ${who} is removed: ${event.reason}`)
    case 'ike.peer.moved':
      return info(`${showEndpoint(event.from.remote)} goes on from ${showEndpoint(event.to.remote)}`)
    case 'ike.peer.dead':
      return warn(`${who} is gone without a word: nothing heard for ${event.quietSeconds} s`)
    case 'ike.notify.received':
      return event.authenticated
        ? info(`${who} says ${shown(event.notify)}`)
        : debug(`somebody at ${who} says ${shown(event.notify)}, unauthenticated: ignored`)
    case 'ike.message.invalid':
      return debug(`a message of ${who} was dropped: ${event.why}`)
    case 'ike.limit.reached':
      return warn(
        event.limit === 'total'
          ? `too many negotiations at once: ${event.dropped} new ones were dropped (remoteAccess.halfOpen.total)`
          : `${who} began too many negotiations at once: ${event.dropped} were dropped (remoteAccess.halfOpen.perSource)`,
      )
    case 'l2tp.tunnel.established':
      return debug(
        `L2TP with ${who} is up: host ${shown(event.peerHostName)}${event.vendor ? `, ${shown(event.vendor)}` : ''}`,
      )
    case 'l2tp.tunnel.closed':
      return debug(`L2TP with ${who} is closed ${event.byUs ? 'by us' : 'by the peer'}: ${event.why}`)
    case 'l2tp.tunnel.refused':
      return warn(`${who} was refused a tunnel: ${event.why}${seen(event.userSees, event.why)}`)
    case 'l2tp.session.established':
      return debug(`L2TP call ${event.call} of ${who} is up`)
    case 'l2tp.session.closed':
      return debug(`L2TP call ${event.call} of ${who} is closed ${event.byUs ? 'by us' : 'by the peer'}: ${event.why}`)
    case 'l2tp.session.refused':
      return warn(`${who} was refused a session: ${event.why}${seen(event.userSees, event.why)}`)
    case 'l2tp.message.invalid':
      return warn(`an L2TP message of ${who} was dropped: ${event.why}`)
    case 'l2tp.peer.silent':
      return warn(`${who} answers nothing: an L2TP message was sent ${event.tries} times`)
    case 'ppp.lcp.opened':
      return debug(`PPP with ${who} is open: MRU ${event.mru}, authentication ${event.authentication}`)
    case 'ppp.auth.accepted':
      return debug(`${shown(event.user)} at ${who} has proved the password by ${event.kind}${weakly(event.weak)}`)
    case 'ppp.auth.refused':
      return warn(
        `${shown(event.user)} at ${who} was refused: ${withCause(/user|account|name/i.test(event.why) ? undefined : 'password', event.why)}${seen(event.userSees, event.why)}`,
      )
    case 'ppp.auth.impossible':
      return warn(`${who} was refused: ${withCause('authentication', event.why)}${seen(event.userSees, event.why)}`)
    case 'ppp.network.refused':
      return warn(`${shown(event.user)} at ${who} was refused: ${event.why}${seen(event.userSees, event.why)}`)
    case 'ppp.network.opened':
      return debug(`${event.protocol} with ${shown(event.user)} at ${who} is open: ${event.address}`)
    case 'ppp.peer.identified':
      return debug(`${who} says that it is ${shown(event.text)}`)
    case 'ppp.limit.reached':
      return info(
        `${shown(event.user)} at ${who} has reached the ${event.limit} limit (${event.limit === 'idle' ? 'idleLimit' : 'sessionLimit'})`,
      )
    case 'ppp.peer.silent':
      return warn(`${who} is gone without a word: nothing heard on its PPP link for ${event.quietSeconds} s`)
    case 'ppp.message.invalid':
      return debug(`a PPP frame of ${who} was dropped: ${event.why}`)
    case 'ppp.closed':
      return debug(`PPP with ${who} is closed ${event.byPeer ? 'by the peer' : 'by us'}: ${event.why}`)
    default:
      return renderOwn(event, who)
  }
}

type Own = Extract<
  GatewayEvent,
  {
    readonly event: `${'gateway' | 'session' | 'pool' | 'data' | 'spi' | 'fastpath' | 'network' | 'clock' | 'site' | 'policy'}.${string}`
  }
>

function renderOwn(event: Own, who: string): Rendered {
  switch (event.event) {
    case 'gateway.ready':
      return info(`clients are accepted at ${event.listening}; data plane ${event.dataplane}: ${event.description}`)
    case 'gateway.resumed':
      return info(`resumed ${count(event.sessions, 'session')} of ${count(event.peers, 'peer')}`)
    case 'gateway.stopping':
      return info(`saying goodbye to ${count(event.sessions, 'session')}`)
    case 'gateway.stopped':
      return info('stopped')
    case 'gateway.reloaded':
      return info(
        `the new configuration is in force; ${event.ended === 0 ? 'no session was touched' : `${count(event.ended, 'session')} ended`}${
          event.later.length > 0 ? `; these take a restart: ${event.later.join(', ')}` : ''
        }`,
      )
    case 'gateway.reload.refused':
      return error(`the new configuration is not used: ${event.why}`)
    case 'gateway.bug':
      return error(`a bug of ours in ${event.machine} (input ${event.input}): ${event.error}; only this one is dropped`)
    case 'session.started':
      return info(
        `${shown(event.user)} is connected from ${who}${event.natted ? ' behind NAT' : ''}: address ${event.address}, IKE ${event.ike}, ESP ${event.esp}, ${event.authentication}${weakly(event.weak)}`,
      )
    case 'session.ended':
      return info(
        `${shown(event.user)} (${event.address}) is disconnected after ${duration(event.seconds)}: ${event.why}; ${octets(event.bytesIn)} received, ${octets(event.bytesOut)} sent`,
      )
    case 'site.up':
      return info(
        `site ${event.site} is joined through ${who}${event.natted ? ' behind NAT' : ''}: ${event.networks}, IKE ${event.ike}, ESP ${event.esp}${weakly(event.weak)}`,
      )
    case 'site.down':
      return warn(`site ${event.site} is cut off: ${event.why}`)
    case 'site.failed':
      return warn(`site ${event.site} was not reached: ${event.why}; ${event.next}`)
    case 'site.wrong-traffic':
      return warn(
        `${count(event.packets, 'packet')} from site ${event.site} were dropped: their addresses are none that its tunnel was agreed for`,
      )
    case 'policy.enforced':
      return info(`policy ${shown(event.policy)} is in force: ${count(event.filters, 'filter')}`)
    case 'policy.secured':
      return info(
        `${event.traffic} is protected by rule ${shown(event.rule)} with ${who}: IKE ${event.ike}, ESP ${event.esp}${weakly(event.weak)}`,
      )
    case 'policy.soft.up':
      return warn(
        `a soft association with ${event.peer} for ${event.seconds} s: it doesn't answer IKE, and rule ${shown(event.rule)} allows clear traffic then; nothing is encrypted`,
      )
    case 'policy.soft.down':
      return info(`the soft association with ${event.peer} of rule ${shown(event.rule)} ended: ${event.why}`)
    case 'policy.dropped':
      return warn(
        `packets to ${event.peer} are dropped, as rule ${shown(event.rule)} wants them protected: ${event.why}`,
      )
    case 'session.second':
      return event.outcome === 'refused'
        ? warn(`${shown(event.user)} at ${who} was refused: the user has a session already (sessions: refuse-second)`)
        : info(`${shown(event.user)} logs in again from ${who}: the first session ends`)
    case 'pool.exhausted':
      return warn(
        `${shown(event.user)} at ${who} was refused: the address pool is exhausted (${count(event.size, 'address', 'addresses')}); enlarge remoteAccess.addressPool`,
      )
    case 'session.wrong-source':
      return warn(
        `${count(event.packets, 'packet')} of ${who} were dropped: their source is not the session's own address`,
      )
    case 'data.stray':
      return debug(
        `data of ${who} for session ${event.session} in tunnel ${event.tunnel} was dropped: it has no such session`,
      )
    case 'spi.unknown':
      return debug(`ESP of ${who} with SPI ${event.spi.toString(16).padStart(8, '0')} was dropped: nobody has this SPI`)
    case 'fastpath.offload':
      return info(`ESP is ${event.note}`)
    case 'fastpath.refused':
      return error(`the data plane refused ${event.what}: ${event.message} (${event.code})`)
    case 'network.trouble':
      return error(`${event.what}: ${event.why}`)
    case 'clock.unsynchronised':
      return warn(
        `NTP has not set the clock for ${count(event.minutes, 'minute')}: users' hours are judged by it as it is; see system.ntp and the WAN`,
      )
    case 'network.leftovers.removed':
      return info(`leftovers of a daemon that was killed are removed: ${event.what.join(', ')}`)
  }
}

/** What the log keeps beside the sentence: the event's plain values and whom it was about. */
export function facts(event: GatewayEvent, origin: Origin): Record<string, unknown> {
  const { event: _name, ...values } = event as GatewayEvent & Record<string, unknown>
  const flat = Object.entries(values).map(([key, value]) =>
    isPath(value) ? [key === 'path' ? 'peer' : key, showEndpoint(value.remote)] : [key, value],
  )
  const known = Object.entries(origin).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(known), ...Object.fromEntries(flat) }
}

/** The outer address that an event came from, without the port: what repeated events are folded by. */
export function sourceOf(event: GatewayEvent, origin: Origin): string {
  if ('path' in event) return event.path.remote.address
  const peer = origin.peer ?? ''
  return peer.replace(/:\d+$/, '')
}

function whoIs(event: GatewayEvent, origin: Origin): string {
  const peer = 'path' in event ? showEndpoint(event.path.remote) : (origin.peer ?? 'somebody')
  const client = 'client' in event ? event.client : origin.client
  return client && client !== 'unknown' ? `${peer} (${client})` : peer
}

function withCause(cause: string | undefined, why: string): string {
  return cause === undefined || why.toLowerCase().includes(cause) ? why : `${cause}: ${why}`
}

function seen(userSees: number | undefined, why: string): string {
  return userSees === undefined || why.includes(String(userSees)) ? '' : `; Windows shows ${userSees}`
}

function weakly(weak: boolean): string {
  return weak ? ' (weak)' : ''
}

function shown(text: string): string {
  return printable(text)
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}

function duration(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60]
  return h > 0 ? `${h} h ${m} min` : m > 0 ? `${m} min ${s} s` : `${s} s`
}

function octets(value: number): string {
  if (value < 1000) return `${value} octets`
  const power = Math.min(Math.floor(Math.log10(value) / 3), 4)
  return `${(value / 1000 ** power).toFixed(1)} ${'kMGT'[power - 1]}B`
}

function isPath(value: unknown): value is Path {
  return typeof value === 'object' && value !== null && 'local' in value && 'remote' in value
}

const debug = (sentence: string): Rendered => ({ level: 'debug', sentence })
const info = (sentence: string): Rendered => ({ level: 'info', sentence })
const warn = (sentence: string): Rendered => ({ level: 'warn', sentence })
const error = (sentence: string): Rendered => ({ level: 'error', sentence })
