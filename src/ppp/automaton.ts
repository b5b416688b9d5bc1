// The option negotiation automaton (RFC 1661 §4): one for LCP and every NCP. The table is the RFC's own, read at start.

export const STATES = [
  'Initial',
  'Starting',
  'Closed',
  'Stopped',
  'Closing',
  'Stopping',
  'Req-Sent',
  'Ack-Rcvd',
  'Ack-Sent',
  'Opened',
] as const

export const EVENTS = [
  'Up',
  'Down',
  'Open',
  'Close',
  'TO+',
  'TO-',
  'RCR+',
  'RCR-',
  'RCA',
  'RCN',
  'RTR',
  'RTA',
  'RUC',
  'RXJ+',
  'RXJ-',
  'RXR',
] as const

export const ACTIONS = [
  'tlu', // This-Layer-Up
  'tld', // This-Layer-Down
  'tls', // This-Layer-Started
  'tlf', // This-Layer-Finished
  'irc', // Initialize-Restart-Count
  'zrc', // Zero-Restart-Count
  'scr', // Send-Configure-Request
  'sca', // Send-Configure-Ack
  'scn', // Send-Configure-Nak/Rej
  'str', // Send-Terminate-Request
  'sta', // Send-Terminate-Ack
  'scj', // Send-Code-Reject
  'ser', // Send-Echo-Reply
] as const

export type StateName = (typeof STATES)[number]
export type EventName = (typeof EVENTS)[number]
export type Action = (typeof ACTIONS)[number]

export type Transition = { readonly actions: readonly Action[]; readonly next: StateName }

/**
 * RFC 1661 §4.1. `-`: the event can't happen, and is passed over. `r` (restart option) and `p` (passive option) stand beside transitions
 * that we take without the option; `x` marks a crossed connection.
 */
const TABLE = `
       Initial  Starting  Closed    Stopped        Closing  Stopping
 Up    2        irc,scr/6 -         -              -        -
 Down  -        -         0         tls/1          0        1
 Open  tls/1    1         irc,scr/6 3r             5r       5r
 Close 0        tlf/0     2         2              4        4

 TO+   -        -         -         -              str/4    str/5
 TO-   -        -         -         -              tlf/2    tlf/3

 RCR+  -        -         sta/2     irc,scr,sca/8  4        5
 RCR-  -        -         sta/2     irc,scr,scn/6  4        5
 RCA   -        -         sta/2     sta/3          4        5
 RCN   -        -         sta/2     sta/3          4        5

 RTR   -        -         sta/2     sta/3          sta/4    sta/5
 RTA   -        -         2         3              tlf/2    tlf/3

 RUC   -        -         scj/2     scj/3          scj/4    scj/5
 RXJ+  -        -         2         3              4        5
 RXJ-  -        -         tlf/2     tlf/3          tlf/2    tlf/3

 RXR   -        -         2         3              4        5


       Req-Sent   Ack-Rcvd   Ack-Sent   Opened
 Up    -          -          -          -
 Down  1          1          1          tld/1
 Open  6          7          8          9r
 Close irc,str/4  irc,str/4  irc,str/4  tld,irc,str/4

 TO+   scr/6      scr/6      scr/8      -
 TO-   tlf/3p     tlf/3p     tlf/3p     -

 RCR+  sca/8      sca,tlu/9  sca/8      tld,scr,sca/8
 RCR-  scn/6      scn/7      scn/6      tld,scr,scn/6
 RCA   irc/7      scr/6x     irc,tlu/9  tld,scr/6x
 RCN   irc,scr/6  scr/6x     irc,scr/8  tld,scr/6x

 RTR   sta/6      sta/6      sta/6      tld,zrc,sta/5
 RTA   6          6          8          tld,scr/6

 RUC   scj/6      scj/7      scj/8      scj/9
 RXJ+  6          6          8          9
 RXJ-  tlf/3      tlf/3      tlf/3      tld,irc,str/5

 RXR   6          7          8          ser/9
`

const TRANSITIONS = read(TABLE)

/** What the event does in the state, or undefined where the table has a dash. */
export function transition(state: StateName, event: EventName): Transition | undefined {
  return TRANSITIONS.get(`${state} ${event}`)
}

function read(table: string): ReadonlyMap<string, Transition> {
  const transitions = new Map<string, Transition>()
  let columns: StateName[] = []
  for (const line of table.split('\n')) {
    const cells = line.trim().split(/\s+/)
    if (cells[0] === '') continue
    if (!(EVENTS as readonly string[]).includes(cells[0]!)) {
      columns = cells as StateName[]
      continue
    }
    columns.forEach((state, i) => {
      const [, actions, next] = /^(?:([a-z,]+)\/)?(\d)[rpx]?$/.exec(cells[i + 1]!) ?? []
      if (next === undefined) return
      const named = actions === undefined ? [] : (actions.split(',') as Action[])
      transitions.set(`${state} ${cells[0]}`, { actions: named, next: STATES[Number(next)]! })
    })
  }
  return transitions
}
