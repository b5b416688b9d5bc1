// CONTRACT. What a machine that outlives its process gives: its state in records of plain data, each under a name, small enough to be written whenever it changes.

/** Plain data under names: numbers, text, octets, arrays, maps and sets; no key object, function or promise. */
export type Records = ReadonlyMap<string, unknown>

export interface Durable {
  /** Records that may have changed since the last call; undefined where the record is gone, or nothing of it is worth keeping. */
  changes(): Records
}
