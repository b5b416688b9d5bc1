// CONTRACT. Where the gateway's records go, and the two forms in which they are written: a plain line for people, JSON for machines.
import { pino } from 'pino'

export type Level = 'debug' | 'info' | 'warn' | 'error'

/** One event, made readable. `facts` hold only plain values; secrets print as `[secret]`. */
export type LogRecord = {
  readonly at: Date
  readonly level: Level
  /** Name of the event: `ike.negotiation.refused`. */
  readonly event: string
  readonly sentence: string
  readonly facts: Readonly<Record<string, unknown>>
}

export interface Log {
  write(record: LogRecord): void
}

const weight: Record<Level, number> = { debug: 0, info: 1, warn: 2, error: 3 }

/** One line an event: time, level, sentence, event. `write` gets whole lines with their line break. */
export function plainLog(write: (line: string) => void, least: Level = 'info'): Log {
  return {
    write({ at, level, event, sentence }) {
      if (weight[level] < weight[least]) return
      write(`${at.toISOString()} ${level.padEnd(5)} ${oneLine(sentence)} [${event}]\n`)
    },
  }
}

/** pino's JSON lines: `level`, `time`, `event`, `msg` and the event's facts. */
export function jsonLog(write: (line: string) => void, least: Level = 'info'): Log {
  const logger = pino({ level: least, base: null, timestamp: false }, { write })
  return {
    write({ at, level, event, sentence, facts }) {
      logger[level]({ ...facts, time: at.toISOString(), event }, oneLine(sentence))
    },
  }
}

/** Control characters never reach a terminal, whatever a sentence holds. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
