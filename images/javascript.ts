// The program as the device runs it: JavaScript. The image's build takes the types away, once, so that no start of a command has to: Node's own
// stripper is a WebAssembly module that each process compiles, which costs a small board a second or more every time.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, extname, join } from 'node:path'

/** What names another of our files: `from './x.ts'`, `import './x.ts'`, `import('./x.ts')`. */
const ourImport = /\b(from|import)(\s*\(?\s*)'(\.[^'\n]*)\.ts'/g

/** A module's text without types, its imports named as the device has them. Lines and columns stay where they were. */
export function javaScriptOf(text: string): string {
  return stripTypeScriptTypes(text).replace(ourImport, "$1$2'$3.js'")
}

/** Copies `from` to `to`, each `.ts` that `wanted` takes as `.js`. */
export function layJavaScript(from: string, to: string, wanted: (path: string) => boolean): void {
  const files = readdirSync(from, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name)
    if (!wanted(path)) continue
    const place = join(to, path.slice(from.length))
    mkdirSync(dirname(place), { recursive: true })
    if (extname(name) !== '.ts') cpSync(path, place)
    else writeFileSync(place.replace(/\.ts$/, '.js'), javaScriptOf(readFileSync(path, 'utf8')))
  }
}
