// Traces of the line editor, octet by octet: what is typed, and what goes to the screen.
import { describe, expect, test } from 'vitest'
import { type EditorEvent, LineEditor, type LineOptions } from './line-editor.ts'

/** Types a string (an octet a character) and gives what was echoed and what happened. */
function typist(options: Partial<LineOptions> = {}, prompt = 'gw1> ') {
  const editor = new LineEditor()
  const whole: LineOptions = { echo: 'full', commands: true, columns: 80, kind: 'vt100', ...options }
  const begun = editor.begin(prompt, whole)
  const type = (octets: string) => {
    let echo = ''
    const events: EditorEvent[] = []
    for (const c of octets) {
      const step = editor.feed(c.charCodeAt(0))
      echo += step.echo
      if (step.event) events.push(step.event)
    }
    return { echo, events, line: editor.text }
  }
  return { editor, begun, type, again: () => editor.begin(prompt, whole) }
}

const left = '\x1b[D'
const up = '\x1b[A'
const down = '\x1b[B'

describe('typing', () => {
  test('characters are echoed, Enter ends the line', () => {
    const { type, begun } = typist()
    expect(begun).toBe('gw1> ')
    expect(type('show\r')).toEqual({ echo: 'show\n', events: [{ is: 'line', text: 'show' }], line: 'show' })
  })

  test('into the middle: the rest is drawn again and the cursor taken back', () => {
    const { type } = typist()
    type('sow')
    expect(type(left + left)).toMatchObject({ echo: '\b\b' })
    expect(type('h')).toEqual({ echo: 'how\b\b', events: [], line: 'show' })
  })

  test('backspace at the end: vt100 erases by a sequence, dumb by a space', () => {
    const vt100 = typist({ kind: 'vt100' })
    vt100.type('ab')
    expect(vt100.type('\x7f').echo).toBe('\b\x1b[K')
    const dumb = typist({ kind: 'dumb' })
    dumb.type('ab')
    expect(dumb.type('\x08').echo).toBe('\b \b')
  })

  test('backspace in the middle', () => {
    const { type } = typist({ kind: 'dumb' })
    type(`abcd${left}${left}`)
    expect(type('\x7f')).toMatchObject({ echo: '\bcd \b\b\b', line: 'acd' })
  })

  test('a dumb terminal never gets an escape', () => {
    const { type } = typist({ kind: 'dumb' })
    const { echo } = type(`set abc def${left}${left}\x01\x0b\x19\x05\x17\x15${up}${down}\x12x\x07\x14\r`)
    expect(echo).not.toContain('\x1b')
  })

  test.each([
    ['Ctrl-A and Ctrl-E', 'bc\x01a\x05d', 'abcd'],
    ['Ctrl-B and Ctrl-F', 'ac\x02b\x06d', 'abcd'],
    ['Ctrl-K, Ctrl-Y', 'show log\x01\x0b\x19', 'show log'],
    ['Ctrl-U', 'nonsense\x15show', 'show'],
    ['Ctrl-W', 'show log\x17me', 'show me'],
    ['Ctrl-D deletes forward', 'xabc\x01\x04', 'abc'],
    ['Delete', 'xabc\x01\x1b[3~', 'abc'],
    ['Home and End', 'bc\x1b[Ha\x1b[Fd', 'abcd'],
    ['Home and End of other terminals', 'bc\x1bOHa\x1b[4~d', 'abcd'],
    ['Ctrl-T', 'shwo\x14', 'show'],
    ['Alt-B, Alt-D', 'show the log\x1bb\x1bb\x1bd', 'show  log'],
    ['Ctrl-V takes the next as it is', 'what\x16?', 'what?'],
    ['quotes take ? as it is', '"what?', '"what?'],
  ])('%s', (_, typed, line) => {
    expect(typist().type(typed).line).toBe(line)
  })

  test('a line longer than the screen scrolls sideways and never wraps', () => {
    const { type } = typist({ columns: 20, kind: 'dumb' })
    const { echo, line } = type('abcdefghijklmnopqrstuvwxyz')
    expect(line).toBe('abcdefghijklmnopqrstuvwxyz')
    let column = 5
    for (const c of echo) {
      column += c === '\b' ? -1 : 1
      expect(column).toBeLessThan(20)
      expect(column).toBeGreaterThanOrEqual(5)
    }
  })
})

describe('the history', () => {
  test('goes up and down, and keeps what was being typed', () => {
    const { editor, type } = typist()
    editor.remember('show status')
    editor.remember('ping ::1')
    expect(type('sh').line).toBe('sh')
    expect(type(up).line).toBe('ping ::1')
    expect(type(up).line).toBe('show status')
    expect(type(up).line).toBe('show status')
    expect(type(down).line).toBe('ping ::1')
    expect(type('\x0e').line).toBe('sh')
  })

  test('Ctrl-R finds the newest that has the text, again an older one, and Enter takes it', () => {
    const { editor, type } = typist()
    for (const line of ['show log', 'ping ::1', 'show status']) editor.remember(line)
    expect(type('\x12show').line).toBe('show status')
    expect(type('\x12').line).toBe('show log')
    expect(type('\r').events).toEqual([{ is: 'line', text: 'show log' }])
  })

  test('is not for questions', () => {
    const { editor, type } = typist({ commands: false })
    editor.remember('show status')
    expect(type(up).line).toBe('')
  })
})

describe('events', () => {
  test.each<[string, string, EditorEvent[]]>([
    ['Tab', 'sh\t', [{ is: 'complete' }]],
    ['?', 'sh ?', [{ is: 'help' }]],
    ['Ctrl-C', 'abc\x03', [{ is: 'cancel' }]],
    ['Ctrl-D on an empty line', '\x04', [{ is: 'end' }]],
    ['Ctrl-D on another', 'a\x02\x04', []],
    ['Ctrl-L', '\x0c', [{ is: 'redraw' }]],
  ])('%s', (_, typed, events) => {
    expect(typist().type(typed).events).toEqual(events)
  })

  test('after output of others Ctrl-L draws prompt and line anew, with the cursor where it was', () => {
    const { editor, type } = typist()
    type(`show log${left}${left}`)
    expect(editor.redraw()).toBe('gw1> show log\b\b')
  })

  test('for machines nothing is echoed, ? and Tab are characters', () => {
    const { type } = typist({ echo: 'none' })
    expect(type('what?\tnow\r')).toEqual({ echo: '', events: [{ is: 'line', text: 'what? now' }], line: 'what? now' })
  })
})

describe('noise', () => {
  test.each([
    ['8-bit octets that are no UTF-8', 'sh\xff\xfe\x80ow', 'show'],
    ['a UTF-8 character', 'caf\xc3\xa9', 'café'],
    ['half of one', 'a\xc3b', 'ab'],
    ['an overlong slash', 'a\xc0\xafb', 'ab'],
    ['C1 controls as UTF-8', 'a\xc2\x9bb', 'ab'],
    ['an escape that leads nowhere', 'a\x1b\x1b\x1bqb', 'aqb'],
    ['an unknown sequence', 'a\x1b[12;99Rb', 'ab'],
    ['a sequence without end', `a\x1b[${'1'.repeat(16)}b`, 'ab'],
    ['other controls', 'a\x07\x0f\x13\x1cb', 'ab'],
  ])('%s', (_, typed, line) => {
    expect(typist().type(typed).line).toBe(line)
  })

  test('a sequence is cut short by Enter', () => {
    expect(typist().type('show\x1b[\r').events).toEqual([{ is: 'line', text: 'show' }])
  })

  test('a line has an end', () => {
    const { type } = typist({ echo: 'none' })
    expect(type('x'.repeat(10_000)).line.length).toBe(4096)
  })
})
