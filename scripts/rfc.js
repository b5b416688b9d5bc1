// `npm run rfc`: the MUSTs of the RFCs that the project speaks, each with the test that proves it or the reason why not (test/rfc/*.txt). Ends with 1 where
// one has neither, or names a test that is not there. `npm run rfc -- --text FOLDER` also compares with the RFCs themselves (rfc2408.txt …), where
// somebody has them: which sections demand something and have no line here. Plain JavaScript.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'test', 'rfc')

/** @typedef {{ rfc: string, line: number, section: string, demand: string, proof: string }} Must */

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

/** What is wrong with a line, in words, or undefined. @param {Must} must */
export function fault({ section, demand, proof }) {
  if (!/^([A-Z]\d*|\d+(\.\d+)*)$/.test(section) || demand === '')
    return 'a line is: section | demand | test FILE: NAME, or not: REASON'
  if (proof.startsWith('not: ')) return proof.length > 30 ? undefined : 'the reason says too little'
  const [, file, name] = /^test (\S+): (.+)$/.exec(proof) ?? []
  if (!file || !name) return 'neither a test nor a reason'
  const path = fileOf(file)
  if (!existsSync(path)) return `there is no ${path.slice(root.length + 1)}`
  return readFileSync(path, 'utf8').includes(name) ? undefined : `${path.slice(root.length + 1)} has no test “${name}”`
}

/** Sections of an RFC's text that hold a MUST, SHALL or REQUIRED. @param {string} text */
export function demandingSections(text) {
  const found = new Set()
  let section = ''
  for (const line of text.split('\n')) {
    const heading = /^(\d+(?:\.\d+)*|[A-Z]\d*)\.? {1,3}[A-Z]/.exec(line)
    if (heading?.[1]) section = heading[1]
    if (section && /\b(MUST|SHALL|REQUIRED)\b/.test(line)) found.add(section)
  }
  return [...found]
}

/** Sections that demand something and stand in no line, nor does a section above or below them. @param {string} texts */
function uncovered(texts) {
  const all = musts()
  return [...new Set(all.map(({ rfc }) => rfc))].flatMap((rfc) => {
    const path = join(texts, `rfc${rfc}.txt`)
    if (!existsSync(path)) return [`RFC ${rfc}: ${path} is not there`]
    const ours = all.filter((one) => one.rfc === rfc).map(({ section }) => section)
    return demandingSections(readFileSync(path, 'utf8'))
      .filter(
        (section) =>
          !ours.some((one) => one === section || section.startsWith(`${one}.`) || one.startsWith(`${section}.`)),
      )
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
