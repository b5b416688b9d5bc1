// The line editor: octets in, echo and events out. A machine without clock or streams, so that its traces can be written down octet by octet.
//
// It draws with backspaces, spaces and the characters themselves alone, which every terminal since the teletype understands; on a vt100 it saves
// octets with "erase to the end of the line". A line longer than the screen scrolls sideways, so that no terminal's wrapping matters.

export type TerminalKind = 'vt100' | 'dumb'

export type EditorEvent =
  | { readonly is: 'line'; readonly text: string }
  /** Ctrl-C. */
  | { readonly is: 'cancel' }
  /** Ctrl-D on an empty line. */
  | { readonly is: 'end' }
  | { readonly is: 'complete' }
  | { readonly is: 'help' }
  /** Ctrl-L. */
  | { readonly is: 'redraw' }

export type Step = { readonly echo: string; readonly event?: EditorEvent }

export type LineOptions = {
  /** `none`: nothing is echoed and nothing completed, for machines and passwords. */
  readonly echo: 'full' | 'none'
  /** Tab and `?` ask, up and down go through the history. */
  readonly commands: boolean
  /** Width of the screen. */
  readonly columns: number
  readonly kind: TerminalKind
}

/** Characters that a line may have: a user's long secret, a certificate's line. What is typed beyond is dropped. */
const longestLine = 4096
const historyLength = 200
/** Characters of an escape sequence at most; what is longer is noise. */
const longestSequence = 16

export class LineEditor {
  readonly history: string[] = []
  #options: LineOptions = { echo: 'full', commands: true, columns: 80, kind: 'dumb' }
  #prompt = ''
  #line: string[] = []
  #cursor = 0
  #killed = ''
  /** What stands on the screen behind the prompt, and where the terminal's cursor is in it. */
  #shown: string[] = []
  #column = 0
  #offset = 0
  #recall = -1
  #draft: string[] = []
  #sequence: string | undefined
  #utf8: number[] = []
  #literal = false
  #search: { text: string; found: number } | undefined

  /** Begins a line; what it returns draws the prompt. */
  begin(prompt: string, options: LineOptions): string {
    this.#options = options
    this.#prompt = prompt
    this.#line = []
    this.#cursor = 0
    this.#recall = -1
    this.#sequence = undefined
    this.#utf8 = []
    this.#literal = false
    this.#search = undefined
    return this.redraw()
  }

  /** Prompt and line anew, at the start of an empty line of the screen. */
  redraw(): string {
    this.#shown = []
    this.#column = 0
    this.#offset = 0
    return this.#prompt + this.#draw()
  }

  get beforeCursor(): string {
    return this.#line.slice(0, this.#cursor).join('')
  }

  get text(): string {
    return this.#line.join('')
  }

  /** Remembers a line for going up to; the same one twice only once. */
  remember(line: string): void {
    if (line.trim() === '' || this.history.at(-1) === line) return
    this.history.push(line)
    if (this.history.length > historyLength) this.history.shift()
  }

  /** Puts text in at the cursor, as if typed. */
  insert(text: string): string {
    const characters = [...text].slice(0, longestLine - this.#line.length)
    this.#line.splice(this.#cursor, 0, ...characters)
    this.#cursor += characters.length
    return this.#draw()
  }

  /** One octet from the terminal. */
  feed(octet: number): Step {
    if (this.#sequence !== undefined) return this.#escape(octet)
    if (this.#utf8.length > 0 || octet >= 0x80) return this.#multibyte(octet)
    if (this.#literal) {
      this.#literal = false
      if (octet >= 0x20 && octet < 0x7f) return { echo: this.insert(String.fromCharCode(octet)) }
    }
    if (this.#search && this.#options.echo === 'full') {
      const step = this.#searching(octet)
      if (step) return step
    }
    return octet < 0x20 || octet === 0x7f ? this.#control(octet) : this.#printable(octet)
  }

  #printable(octet: number): Step {
    const { commands, echo } = this.#options
    if (octet === 0x3f && commands && echo === 'full' && !this.#insideQuotes())
      return { echo: '', event: { is: 'help' } }
    return { echo: this.insert(String.fromCharCode(octet)) }
  }

  #insideQuotes(): boolean {
    let quote = ''
    for (let i = 0; i < this.#cursor; i++) {
      const c = this.#line[i]!
      if (c === '\\' && quote !== "'") i++
      else if (quote === '' ? c === '"' || c === "'" : c === quote) quote = quote === '' ? c : ''
    }
    return quote !== ''
  }

  #control(octet: number): Step {
    switch (octet) {
      case 13:
        return this.#finish({ is: 'line', text: this.text })
      case 3:
        return this.#finish({ is: 'cancel' })
      case 4:
        return this.#line.length === 0
          ? { echo: '', event: { is: 'end' } }
          : this.#delete(this.#cursor, this.#cursor + 1)
      case 8:
      case 0x7f:
        return this.#delete(this.#cursor - 1, this.#cursor)
      case 9:
        return this.#options.commands && this.#options.echo === 'full'
          ? { echo: '', event: { is: 'complete' } }
          : { echo: this.insert(' ') }
      case 12:
        return this.#options.echo === 'full' ? { echo: '', event: { is: 'redraw' } } : nothing
      case 27:
        this.#sequence = ''
        return nothing
      default:
        return this.#edit(octet)
    }
  }

  /** Emacs' keys, which every shell has. */
  #edit(octet: number): Step {
    switch (octet) {
      case 1:
        return this.#move(0)
      case 2:
        return this.#move(this.#cursor - 1)
      case 5:
        return this.#move(this.#line.length)
      case 6:
        return this.#move(this.#cursor + 1)
      case 11:
        return this.#kill(this.#cursor, this.#line.length)
      case 14:
        return this.#older(-1)
      case 16:
        return this.#older(1)
      case 18:
        if (this.#options.commands && this.#options.echo === 'full') this.#search = { text: '', found: -1 }
        return this.#search ? { echo: this.#draw() } : nothing
      case 20:
        return this.#transpose()
      case 21:
        return this.#kill(0, this.#cursor)
      case 22:
        this.#literal = true
        return nothing
      case 23:
        return this.#kill(this.#wordStart(), this.#cursor)
      case 25:
        return { echo: this.insert(this.#killed) }
      default:
        return nothing
    }
  }

  #escape(octet: number): Step {
    const sequence = this.#sequence!
    this.#sequence = undefined
    if (octet < 0x20 || octet === 0x7f) return sequence === '' && octet === 0x7f ? this.#edit(23) : this.#control(octet)
    const c = String.fromCharCode(octet)
    if (sequence === '') {
      if (c === '[' || c === 'O') {
        this.#sequence = c
        return nothing
      }
      if (c === 'b') return this.#move(this.#wordStart())
      if (c === 'f') return this.#move(this.#wordEnd())
      if (c === 'd') return this.#kill(this.#cursor, this.#wordEnd())
      return this.feed(octet)
    }
    const ends = octet >= 0x40 && octet <= 0x7e
    if (!ends && octet < 0x80 && sequence.length < longestSequence) {
      this.#sequence = sequence + c
      return nothing
    }
    return ends ? this.#key(sequence.slice(1) + c) : nothing
  }

  /** A key by the sequence behind CSI or SS3; one that isn't known does nothing. */
  #key(code: string): Step {
    switch (code) {
      case 'A':
        return this.#older(1)
      case 'B':
        return this.#older(-1)
      case 'C':
        return this.#move(this.#cursor + 1)
      case 'D':
        return this.#move(this.#cursor - 1)
      case 'H':
      case '1~':
      case '7~':
        return this.#move(0)
      case 'F':
      case '4~':
      case '8~':
        return this.#move(this.#line.length)
      case '3~':
        return this.#delete(this.#cursor, this.#cursor + 1)
      default:
        return nothing
    }
  }

  /** UTF-8; octets that are none are noise. */
  #multibyte(octet: number): Step {
    if (octet < 0x80) {
      this.#utf8 = []
      return this.feed(octet)
    }
    if (octet >= 0xc0) this.#utf8 = [octet]
    else if (this.#utf8.length > 0) this.#utf8.push(octet)
    const first = this.#utf8[0]
    if (first === undefined) return nothing
    const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
    if (this.#utf8.length < length) return nothing
    const octets = Uint8Array.from(this.#utf8)
    this.#utf8 = []
    try {
      const character = strict.decode(octets)
      return /\p{C}/u.test(character) ? nothing : { echo: this.insert(character) }
    } catch {
      return nothing
    }
  }

  #finish(event: EditorEvent): Step {
    if (this.#options.echo !== 'full') return { echo: '', event }
    this.#search = undefined
    this.#cursor = this.#line.length
    return { echo: `${this.#draw()}${event.is === 'cancel' ? '^C' : ''}\n`, event }
  }

  #move(to: number): Step {
    this.#cursor = Math.min(Math.max(to, 0), this.#line.length)
    return { echo: this.#draw() }
  }

  #delete(from: number, to: number): Step {
    const start = Math.max(from, 0)
    this.#line.splice(start, Math.max(to - start, 0))
    this.#cursor = Math.min(start, this.#line.length)
    return { echo: this.#draw() }
  }

  #kill(from: number, to: number): Step {
    this.#killed = this.#line.slice(from, to).join('')
    return this.#delete(from, to)
  }

  #transpose(): Step {
    const at = Math.min(this.#cursor, this.#line.length - 1)
    if (at < 1) return nothing
    const pair = this.#line.slice(at - 1, at + 1)
    this.#line.splice(at - 1, 2, pair[1]!, pair[0]!)
    return this.#move(at + 1)
  }

  #wordStart(): number {
    let at = this.#cursor
    while (at > 0 && this.#line[at - 1] === ' ') at--
    while (at > 0 && this.#line[at - 1] !== ' ') at--
    return at
  }

  #wordEnd(): number {
    let at = this.#cursor
    while (at < this.#line.length && this.#line[at] === ' ') at++
    while (at < this.#line.length && this.#line[at] !== ' ') at++
    return at
  }

  /** `by` 1: one line further back in the history; -1: forward, at last to what was being typed. */
  #older(by: 1 | -1): Step {
    if (!this.#options.commands) return nothing
    const to = this.#recall + by
    if (to < -1 || to >= this.history.length) return nothing
    if (this.#recall === -1) this.#draft = this.#line
    this.#recall = to
    this.#line = to === -1 ? this.#draft : [...this.history.at(-1 - to)!]
    return this.#move(this.#line.length)
  }

  /** Ctrl-R: characters narrow the search, Ctrl-R goes further back, anything else takes what was found. */
  #searching(octet: number): Step | undefined {
    const search = this.#search!
    if (octet >= 0x20 && octet < 0x7f) search.text += String.fromCharCode(octet)
    else if (octet === 8 || octet === 0x7f) search.text = search.text.slice(0, -1)
    else if (octet !== 18) {
      this.#search = undefined
      return undefined
    }
    const from = octet === 18 && search.found >= 0 ? search.found - 1 : this.history.length - 1
    const found = this.history.findLastIndex((line, i) => i <= from && search.text !== '' && line.includes(search.text))
    if (found >= 0) {
      search.found = found
      this.#line = [...this.history[found]!]
      this.#cursor = this.#line.length
    }
    return { echo: this.#draw() }
  }

  /** What brings the screen from what it shows to what it should show. */
  #draw(): string {
    if (this.#options.echo !== 'full') return ''
    const { wanted, column } = this.#view()
    let same = 0
    while (same < wanted.length && same < this.#shown.length && wanted[same] === this.#shown[same]) same++
    let out = ''
    if (same < wanted.length || same < this.#shown.length) {
      out += this.#travel(this.#column, same, this.#shown)
      out += wanted.slice(same).join('')
      const surplus = this.#shown.length - wanted.length
      this.#column = wanted.length
      if (surplus > 0 && this.#options.kind === 'vt100') out += '\x1b[K'
      else if (surplus > 0) out += ' '.repeat(surplus) + '\b'.repeat(surplus)
    }
    out += this.#travel(this.#column, column, wanted)
    this.#column = column
    this.#shown = wanted
    return out
  }

  #travel(from: number, to: number, line: readonly string[]): string {
    return to <= from ? '\b'.repeat(from - to) : line.slice(from, to).join('')
  }

  /** The part of the line that fits, and the cursor's place in it. */
  #view(): { wanted: string[]; column: number } {
    const all = Math.max(this.#options.columns - this.#prompt.length - 1, 8)
    // What is searched for may have half of the screen's line.
    const search = this.#search ? [...`(search ${JSON.stringify(this.#search.text)}) `].slice(0, all >> 1) : []
    const room = all - search.length
    if (this.#line.length <= room) this.#offset = 0
    else if (this.#cursor < this.#offset || this.#cursor > this.#offset + room)
      this.#offset = Math.max(this.#cursor - Math.floor(room / 2), 0)
    const wanted = [...search, ...this.#line.slice(this.#offset, this.#offset + room)]
    return { wanted, column: search.length + this.#cursor - this.#offset }
  }
}

const nothing: Step = { echo: '' }
const strict = new TextDecoder('utf-8', { fatal: true })
