// Cuts a command line into words. Quotes keep spaces and `?` together; a backslash takes what follows as it is.

export type Word = {
  readonly text: string
  /** Where it begins in the line, in characters. */
  readonly at: number
  /** Written with quotes or a backslash: never an abbreviation. */
  readonly quoted: boolean
}

export type Line = {
  readonly words: readonly Word[]
  /** The line ends inside quotes. */
  readonly open: boolean
  /** The line ends with white space, or is empty: the next character begins a new word. */
  readonly fresh: boolean
}

/** Never fails: an open quote reaches to the end and is told. */
export function wordsOf(line: string): Line {
  const words: Word[] = []
  let [text, at, quoted] = ['', -1, false]
  let quote = ''
  const end = () => {
    if (at >= 0) words.push({ text, at, quoted })
    ;[text, at, quoted] = ['', -1, false]
  }
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!
    if (quote === '' && (c === ' ' || c === '\t')) {
      end()
      continue
    }
    if (at < 0) at = i
    if (c === '\\' && quote !== "'" && i + 1 < line.length) {
      text += line[++i]
      quoted = true
    } else if (quote === '' ? c === '"' || c === "'" : c === quote) {
      quote = quote === '' ? c : ''
      quoted = true
    } else text += c
  }
  const fresh = at < 0
  end()
  return { words, open: quote !== '', fresh }
}

/** The word as it must be typed to be read as one word again. */
export function quoteWord(text: string): string {
  if (text !== '' && !/[\s"'\\?]/.test(text)) return text
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
