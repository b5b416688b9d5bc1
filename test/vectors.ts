// The one place through which tests read test/vectors: octets written as hex, and numbers as JSON.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { unhex } from '../src/wire/codec.ts'

const root = join(import.meta.dirname, 'vectors')

/** Every `.hex` file of a folder under test/vectors, by name without the ending, in order. */
export function hexVectors(folder: string): readonly { readonly name: string; readonly octets: Uint8Array }[] {
  return readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.hex'))
    .map((file) => file.slice(0, -4))
    .sort()
    .map((name) => ({ name, octets: hexVector(`${folder}/${name}`) }))
}

export function hexVector(path: string): Uint8Array {
  return unhex(readFileSync(join(root, `${path}.hex`), 'utf8'))
}

export function jsonVector<T>(path: string): T {
  return JSON.parse(readFileSync(join(root, `${path}.json`), 'utf8')) as T
}
