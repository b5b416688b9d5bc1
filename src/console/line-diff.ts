// What differs between two texts, line by line, in the unified form that people read.

/** Lines around a change that are shown. */
const around = 2
/** Cells of the table that is computed at most; beyond it the middle counts as replaced as a whole. */
const mostCells = 4_000_000

type Edit = { readonly sign: ' ' | '-' | '+'; readonly line: string }

/** Lines with ` `, `-` or `+` in front, changes with their surroundings, `@@ line N` between them; empty where nothing differs. */
export function lineDiff(before: string, after: string): readonly string[] {
  const edits = editsOf(linesOf(before), linesOf(after))
  const near = edits.map((_, i) =>
    edits.slice(Math.max(i - around, 0), i + around + 1).some(({ sign }) => sign !== ' '),
  )
  const out: string[] = []
  let number = 1
  for (const [i, { sign, line }] of edits.entries()) {
    if (near[i] && !near[i - 1]) out.push(`@@ line ${number}`)
    if (near[i]) out.push(`${sign}${line}`)
    if (sign !== '-') number++
  }
  return out
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

function editsOf(a: readonly string[], b: readonly string[]): Edit[] {
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head++
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  const same = (lines: readonly string[]) => lines.map((line): Edit => ({ sign: ' ', line }))
  return [
    ...same(a.slice(0, head)),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...same(a.slice(a.length - tail)),
  ]
}

/** The longest common subsequence, by the table. */
function middle(a: readonly string[], b: readonly string[]): Edit[] {
  const replaced = [...a.map((line): Edit => ({ sign: '-', line })), ...b.map((line): Edit => ({ sign: '+', line }))]
  if (a.length * b.length > mostCells || a.length === 0 || b.length === 0) return replaced
  const width = b.length + 1
  const longest = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1]! + 1
          : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!)
  const edits: Edit[] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      edits.push({ sign: ' ', line: a[i++]! })
      j++
    } else if (j >= b.length || (i < a.length && longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!))
      edits.push({ sign: '-', line: a[i++]! })
    else edits.push({ sign: '+', line: b[j++]! })
  }
  return edits
}
