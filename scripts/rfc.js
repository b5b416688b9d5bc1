// `npm run rfc`: the MUSTs of the RFCs that the project speaks, each with the test that proves it or the reason why not (test/rfc/*.txt). Ends with 1 where
// one has neither, or names a test that is not there. `npm run rfc -- --text FOLDER` also compares with the RFCs themselves (rfc2408.txt or rfc2408.txt.gz),
// where somebody has them: which sections demand something and have no line here. Plain JavaScript.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'test', 'rfc')

/**
 * `section`: one, or several with commas.
 * @typedef {{ rfc: string, line: number, section: string, demand: string, proof: string }} Must
 */

const sectionPattern = String.raw`(?:[A-Z]\d*|\d+)(?:\.\d+)*`

/** @returns {Must[]} every line of the register, in order */
export function musts() {
  return readdirSync(folder)
    .filter((name) => /^\d+\.txt$/.test(name))
    .sort()
    .flatMap((name) =>
      readFileSync(join(folder, name), 'utf8')
        .split('\n')
        .map((text, i) => ({ text, line: i + 1 }))
        .filter(({ text }) => text !== '' && !text.startsWith('#'))
        .map(({ text, line }) => {
          const [section = '', demand = '', ...proof] = text.split(' | ')
          return { rfc: name.slice(0, -4), line, section, demand, proof: proof.join(' | ') }
        }),
    )
}

/** Where a register's `ike/keys`, `scenarios/ike` or `native/esp` is. @param {string} name */
function fileOf(name) {
  if (name.startsWith('native/')) return join(root, 'native', 'test', `${name.slice(7)}.cc`)
  const inSource = join(root, 'src', `${name}.test.ts`)
  return existsSync(inSource) ? inSource : join(root, 'test', `${name}.test.ts`)
}

/** What is wrong with a line, in words, or undefined. A test inside a group is written `group > test`. @param {Must} must */
export function fault({ section, demand, proof }) {
  if (!new RegExp(`^${sectionPattern}(, ${sectionPattern})*$`).test(section) || demand === '')
    return 'a line is: section | demand | test FILE: NAME, or not: REASON'
  if (proof.startsWith('not: ')) return proof.length > 30 ? undefined : 'the reason says too little'
  const [, file, name] = /^test (\S+): (.+)$/.exec(proof) ?? []
  if (!file || !name) return 'neither a test nor a reason'
  const path = fileOf(file)
  if (!existsSync(path)) return `there is no ${path.slice(root.length + 1)}`
  const source = readFileSync(path, 'utf8')
  const found = name.split(' > ').every((part) => source.includes(part))
  return found ? undefined : `${path.slice(root.length + 1)} has no test “${name}”`
}

/** Sections of an RFC's text that hold a MUST, SHALL or REQUIRED; in one that is older than the capitals, a must or shall. @param {string} text */
export function demandingSections(text) {
  const found = new Set()
  const demand = /\b(MUST|SHALL|REQUIRED)\b/.test(text) ? /\b(MUST|SHALL|REQUIRED)\b/ : /\b(must|shall)\b/
  const heading = new RegExp(String.raw`^(?:Appendix ([A-Z])\b|(${sectionPattern})\.? {1,3}[A-Z])`)
  let section = ''
  for (const line of text.split('\n')) {
    const [, appendix, number] = heading.exec(line) ?? []
    section = appendix ?? number ?? section
    if (section && demand.test(line)) found.add(section)
  }
  return [...found]
}

/** The text of an RFC as a folder has it, plain or as Debian's packages hold it; undefined where it doesn't. @param {string} texts @param {string} rfc */
function textOf(texts, rfc) {
  const path = join(texts, `rfc${rfc}.txt`)
  if (existsSync(path)) return readFileSync(path, 'utf8')
  return existsSync(`${path}.gz`) ? gunzipSync(readFileSync(`${path}.gz`)).toString('utf8') : undefined
}

/** Sections that demand something and stand in no line, nor does one that they are part of. @param {string} texts */
function uncovered(texts) {
  const all = musts()
  return [...new Set(all.map(({ rfc }) => rfc))].flatMap((rfc) => {
    const text = textOf(texts, rfc)
    if (text === undefined) return [`RFC ${rfc}: ${join(texts, `rfc${rfc}.txt`)} is not there, nor with .gz`]
    const ours = all.filter((one) => one.rfc === rfc).flatMap(({ section }) => section.split(', '))
    return demandingSections(text)
      .filter((section) => !ours.some((one) => one === section || section.startsWith(`${one}.`)))
      .map((section) => `RFC ${rfc} §${section} demands something and has no line`)
  })
}

function main() {
  let faults = 0
  let rfc = ''
  for (const must of musts()) {
    if (must.rfc !== rfc) {
      rfc = must.rfc
      process.stdout.write(`\nRFC ${rfc}\n`)
    }
    const wrong = fault(must)
    if (wrong) faults++
    process.stdout.write(
      `  §${must.section} ${must.demand}\n      ${wrong ? `FAULT (test/rfc/${rfc}.txt:${must.line}): ${wrong}` : must.proof}\n`,
    )
  }
  const at = process.argv.indexOf('--text')
  const texts = at > 0 ? process.argv[at + 1] : undefined
  const open = texts ? uncovered(texts) : []
  for (const one of open) process.stdout.write(`${one}\n`)
  const all = musts()
  const proved = all.filter(({ proof }) => proof.startsWith('test ')).length
  process.stdout.write(
    `\n${all.length} demands: ${proved} with a test, ${all.length - proved} with a reason, ${faults} with neither\n`,
  )
  process.exitCode = faults + open.length > 0 ? 1 : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
