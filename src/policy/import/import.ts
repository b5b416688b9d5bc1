// Scripts of `netsh ipsec static` and `ipseccmd` lines: each line is answered as taken, changed or refused, with the reason; what was taken comes out as a
// `policies:` section. Input is hostile like any file; secrets in it appear in the section, never in an answer.
import { type Imported, nothingImported, sectionOf } from './imported.ts'
import { takeIpseccmd } from './ipseccmd.ts'
import { takeNetsh } from './netsh.ts'
import { Refusal, wordsOf } from './words.ts'

export type Answer = { readonly line: number } & (
  | { readonly is: 'taken' }
  | { readonly is: 'changed'; readonly how: readonly string[] }
  | { readonly is: 'refused'; readonly why: string }
)

/** Empty lines and remarks get no answer. */
export function importLines(text: string): { readonly answers: readonly Answer[]; readonly yaml: string } {
  const into = nothingImported()
  const context = { static: false }
  const answers = text.split(/\r?\n/).flatMap((line, i): Answer[] => {
    const trimmed = line.replace(/^\uFEFF/, '').trim()
    if (trimmed === '' || /^(#|;|::|@?rem\b|@?echo\b)/i.test(trimmed)) return []
    return [answer(i + 1, trimmed, into, context)]
  })
  return { answers, yaml: sectionOf(into) }
}

function answer(line: number, text: string, into: Imported, context: { static: boolean }): Answer {
  try {
    const how = take(wordsOf(text), into, context)
    return how.length === 0 ? { line, is: 'taken' } : { line, is: 'changed', how }
  } catch (error) {
    if (error instanceof Refusal) return { line, is: 'refused', why: error.message }
    throw error
  }
}

function take(words: readonly string[], into: Imported, context: { static: boolean }): string[] {
  const [first = '', second = '', third = ''] = words.map((word) => word.toLowerCase().replace(/\.exe$/, ''))
  if (first === 'netsh' && second === 'ipsec' && third === 'static') return takeNetsh(words.slice(3), into)
  if (first === 'netsh' && second === 'ipsec')
    throw new Refusal(
      'only the static context is taken: what "netsh ipsec dynamic" sets is gone with the next start there too',
    )
  // A netsh script enters its context first.
  if ((first === 'pushd' || first === 'cd') && second === 'ipsec') {
    context.static = third === 'static'
    return []
  }
  if (first === 'popd' || first === 'exit') return []
  if (first === 'ipseccmd' || first === 'ipsecpol') return takeIpseccmd(words.slice(1), into)
  if (first === 'ipsec' && second === 'static') return takeNetsh(words.slice(2), into)
  if (context.static && ['add', 'set', 'delete'].includes(first)) return takeNetsh(words, into)
  throw new Refusal('neither a line of netsh ipsec static nor of ipseccmd')
}

/** One line an answer. */
export function showAnswers(answers: readonly Answer[]): string {
  return answers
    .map((each) => {
      const what = each.is === 'changed' ? `: ${each.how.join('; ')}` : each.is === 'refused' ? `: ${each.why}` : ''
      return `line ${each.line}: ${each.is}${what}`
    })
    .join('\n')
}
