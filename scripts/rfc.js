// `npm run rfc`: which MUSTs the tests prove. Collects the names of tests that cite a section (`RFC 2409 §5.5`), by RFC and section, and says which RFCs that the sources cite have
// none. Plain JavaScript.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import process from 'node:process'

const root = join(import.meta.dirname, '..')
const citation = /RFC (\d{3,5})(?:,? (?:§|app\. )([A-Z]?[\d.]*\d|[A-Z]))?/g

/** @param {string} folder */
function files(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|cc|h)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/node_modules|\/build[^/]*\//.test(path))
    .sort()
}

/** @typedef {{ rfc: number, section: string, file: string, line: number, text: string, must: boolean }} Citation */

/** @param {string} path @returns {Citation[]} */
function citations(path) {
  const found = []
  for (const [i, line] of readFileSync(path, 'utf8').split('\n').entries()) {
    for (const [, rfc, section] of line.matchAll(citation)) {
      const text = line.trim().replace(/\s+/g, ' ')
      found.push({
        rfc: Number(rfc),
        section: section ?? '',
        file: relative(root, path),
        line: i + 1,
        text,
        must: /\bMUST(?: NOT)?\b/.test(line),
      })
    }
  }
  return found
}

const all = ['src', 'test', 'native'].flatMap(files)
const isTest = (/** @type {string} */ path) => /\.test\.ts$|\/test\//.test(path)
const proofs = all.filter(isTest).flatMap(citations)
const sources = all.filter((path) => !isTest(path)).flatMap(citations)

/** @param {Citation[]} from */
function byRfc(from) {
  const groups = new Map()
  for (const one of from) groups.set(one.rfc, [...(groups.get(one.rfc) ?? []), one])
  return [...groups].sort(([a], [b]) => a - b)
}

const sectionOrder = (/** @type {Citation} */ a, /** @type {Citation} */ b) =>
  a.section.localeCompare(b.section, 'en', { numeric: true })

for (const [rfc, cited] of byRfc(proofs)) {
  process.stdout.write(`RFC ${rfc}: ${cited.length} citations in tests\n`)
  for (const { section, file, line, must, text } of cited.toSorted(sectionOrder)) {
    const quote = must ? `  “${text.slice(0, 140)}”` : ''
    process.stdout.write(`  ${section ? `§${section}`.padEnd(10) : '          '} ${file}:${line}${quote}\n`)
  }
}
const proved = new Set(proofs.map(({ rfc, section }) => `${rfc} ${section}`))
const missing = new Map()
for (const { rfc, section } of sources)
  if (section && !proved.has(`${rfc} ${section}`)) missing.set(rfc, (missing.get(rfc) ?? new Set()).add(section))
process.stdout.write('\nCited in sources, by no test:\n')
for (const [rfc, sections] of [...missing].sort(([a], [b]) => a - b)) {
  const list = [...sections].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).map((section) => `§${section}`)
  process.stdout.write(`  RFC ${rfc}: ${list.join(', ')}\n`)
}
const musts = proofs.filter(({ must }) => must).length
process.stdout.write(`\n${proofs.length} citations in tests, ${musts} of them quote a MUST\n`)
