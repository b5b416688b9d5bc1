// The state tables of RFC 2661, with its own labels: §7.2.1 (control connection), §7.4.1 (incoming call, LAC), §7.4.2 (incoming call, LNS).
// What a table does not have for a state is no transition: the message is reported and changes nothing.

export type Row<Action, State> = { readonly actions: readonly Action[]; readonly next: State }
export type Table<State extends string, Event extends string, Action> = {
  readonly [S in State]: { readonly [E in Event]?: Row<Action, State> }
}

export type ControlConnectionState = 'idle' | 'wait-ctl-reply' | 'wait-ctl-conn' | 'established'

export type ControlConnectionEvent =
  | 'Local Open request'
  | 'Receive SCCRQ, acceptable'
  | 'Receive SCCRQ, not acceptable'
  | 'Receive SCCRQ, lose tie-breaker'
  | 'Receive SCCRQ'
  | 'Receive SCCRP, acceptable'
  | 'Receive SCCRP, not acceptable'
  | 'Receive SCCRP'
  | 'Receive SCCCN, acceptable'
  | 'Receive SCCCN, not acceptable'
  | 'Receive SCCCN'
  | 'Receive StopCCN'
  | 'Admin Tunnel Close'

export type ControlConnectionAction =
  | 'Send SCCRQ'
  | 'Send SCCRP'
  | 'Send SCCCN'
  | 'Send StopCCN'
  | 'Clean up'
  | 'Send tunnel-open event to waiting sessions'
  | 'Re-queue SCCRQ for idle state'

const stop = { actions: ['Send StopCCN', 'Clean up'], next: 'idle' } as const
const open = 'Send tunnel-open event to waiting sessions'

/** RFC 2661 §7.2.1. `Admin Tunnel Close` also stands in the two waiting states: a machine that is shut down says so there too. */
export const controlConnectionTable: Table<ControlConnectionState, ControlConnectionEvent, ControlConnectionAction> = {
  idle: {
    'Local Open request': { actions: ['Send SCCRQ'], next: 'wait-ctl-reply' },
    'Receive SCCRQ, acceptable': { actions: ['Send SCCRP'], next: 'wait-ctl-conn' },
    'Receive SCCRQ, not acceptable': stop,
    'Receive SCCRP': stop,
    'Receive SCCCN': { actions: ['Clean up'], next: 'idle' },
    'Receive StopCCN': { actions: ['Clean up'], next: 'idle' },
  },
  'wait-ctl-reply': {
    'Receive SCCRP, acceptable': { actions: ['Send SCCCN', open], next: 'established' },
    'Receive SCCRP, not acceptable': stop,
    'Receive SCCRQ, lose tie-breaker': { actions: ['Clean up', 'Re-queue SCCRQ for idle state'], next: 'idle' },
    'Receive SCCCN': stop,
    'Receive StopCCN': { actions: ['Clean up'], next: 'idle' },
    'Admin Tunnel Close': stop,
  },
  'wait-ctl-conn': {
    'Receive SCCCN, acceptable': { actions: [open], next: 'established' },
    'Receive SCCCN, not acceptable': stop,
    'Receive SCCRP': stop,
    'Receive SCCRQ': stop,
    'Receive StopCCN': { actions: ['Clean up'], next: 'idle' },
    'Admin Tunnel Close': stop,
  },
  established: {
    'Local Open request': { actions: [open], next: 'established' },
    'Admin Tunnel Close': stop,
    'Receive SCCRQ': stop,
    'Receive SCCRP': stop,
    'Receive SCCCN': stop,
    'Receive StopCCN': { actions: ['Clean up'], next: 'idle' },
  },
}

export type CallState = 'idle' | 'wait-tunnel' | 'wait-reply' | 'wait-connect' | 'established'

export type CallEvent =
  | 'Bearer Ring or Ready to indicate incoming conn.'
  | 'tunnel-open'
  | 'Receive ICRQ, acceptable'
  | 'Receive ICRQ, not acceptable'
  | 'Receive ICRQ'
  | 'Receive ICRP, acceptable'
  | 'Receive ICRP, not acceptable'
  | 'Receive ICRP'
  | 'Receive ICCN, acceptable'
  | 'Receive ICCN, not acceptable'
  | 'Receive ICCN'
  | 'Receive CDN'
  | 'Local close request'

export type CallAction =
  | 'Initiate local tunnel open'
  | 'Send ICRQ'
  | 'Send ICRP'
  | 'Send ICCN'
  | 'Send CDN'
  | 'Prepare for data'
  | 'Clean up'

const disconnect = { actions: ['Send CDN', 'Clean up'], next: 'idle' } as const
const cleanUp = { actions: ['Clean up'], next: 'idle' } as const

/** RFC 2661 §7.4.1. A `Bearer line drop` is a local close request here: our bearer is PPP. */
export const lacTable: Table<Exclude<CallState, 'wait-connect'>, CallEvent, CallAction> = {
  idle: {
    'Bearer Ring or Ready to indicate incoming conn.': {
      actions: ['Initiate local tunnel open'],
      next: 'wait-tunnel',
    },
    'Receive ICCN': cleanUp,
    'Receive ICRP': cleanUp,
    'Receive CDN': cleanUp,
  },
  'wait-tunnel': {
    'tunnel-open': { actions: ['Send ICRQ'], next: 'wait-reply' },
    'Local close request': cleanUp,
  },
  'wait-reply': {
    'Receive ICRP, acceptable': { actions: ['Send ICCN'], next: 'established' },
    'Receive ICRP, not acceptable': disconnect,
    'Receive ICRQ': disconnect,
    'Receive CDN': cleanUp,
    'Receive ICCN': cleanUp,
    'Local close request': disconnect,
  },
  established: {
    'Receive CDN': cleanUp,
    'Receive ICRQ': disconnect,
    'Receive ICRP': disconnect,
    'Receive ICCN': disconnect,
    'Local close request': disconnect,
  },
}

/** RFC 2661 §7.4.2. */
export const lnsTable: Table<Exclude<CallState, 'wait-tunnel' | 'wait-reply'>, CallEvent, CallAction> = {
  idle: {
    'Receive ICRQ, acceptable': { actions: ['Send ICRP'], next: 'wait-connect' },
    'Receive ICRQ, not acceptable': disconnect,
    'Receive ICRP': disconnect,
    'Receive ICCN': cleanUp,
    'Receive CDN': cleanUp,
  },
  'wait-connect': {
    'Receive ICCN, acceptable': { actions: ['Prepare for data'], next: 'established' },
    'Receive ICCN, not acceptable': disconnect,
    'Receive ICRQ': disconnect,
    'Receive ICRP': disconnect,
    'Receive CDN': cleanUp,
    'Local close request': disconnect,
  },
  established: {
    'Receive CDN': cleanUp,
    'Receive ICRQ': disconnect,
    'Receive ICRP': disconnect,
    'Receive ICCN': disconnect,
    'Local close request': disconnect,
  },
}
