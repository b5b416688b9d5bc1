// A map that remembers what was looked at. Whoever changes a value that lies in it has looked it up first, so that what may have changed since the last
// look is known without comparing anything; what was only read is among it, which costs a record and no more. Where nobody ever asks, nothing is remembered.
export class TouchedMap<Key, Value> extends Map<Key, Value> {
  /** From the first question on. */
  #touched: Set<Key> | undefined

  override get(key: Key): Value | undefined {
    const value = super.get(key)
    if (value !== undefined) this.#touched?.add(key)
    return value
  }

  override set(key: Key, value: Value): this {
    this.#touched?.add(key)
    return super.set(key, value)
  }

  override delete(key: Key): boolean {
    if (!super.delete(key)) return false
    this.#touched?.add(key)
    return true
  }

  /** The value, without a trace of the look. */
  peek(key: Key): Value | undefined {
    return super.get(key)
  }

  get touched(): boolean {
    return (this.#touched ?? this).size > 0
  }

  /** Keys of what was looked up, put in or taken out since the last call; those of what was taken out are among them. The first call gives all that is in. */
  takeTouched(): ReadonlySet<Key> {
    const touched = this.#touched ?? new Set(this.keys())
    this.#touched = new Set()
    return touched
  }

  /** What was touched until now is not worth an answer. */
  forgetTouched(): void {
    this.#touched?.clear()
  }
}
