// What an image is built from: the commit, never the working tree, so that its name and time say what is in it. The files are kept in a folder
// of their own below .cache, in which git touches only what changed: building the native module there again takes a moment.
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'

export type Sources = {
  /** A checkout's worth of files, node_modules among them. */
  readonly folder: string
  /** `0.1.0-bbf273301234`: package.json's version and the commit. */
  readonly version: string
  /** SOURCE_DATE_EPOCH: the commit's time, seconds since 1970. */
  readonly epoch: number
  /** Whether the checkout holds changes that aren't in the image. */
  readonly dirty: boolean
}

/** Lays the commit's files out; a checkout without git is taken as it is, and dated by SOURCE_DATE_EPOCH. */
export async function laySources(checkout: string, cache: string): Promise<Sources> {
  const base: string = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')).version
  if (!existsSync(join(checkout, '.git'))) {
    const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? Number.NaN)
    if (!Number.isInteger(epoch))
      throw new Error(
        'this is no git checkout: set SOURCE_DATE_EPOCH to the time of the sources, in seconds since 1970',
      )
    return { folder: checkout, version: base, epoch, dirty: false }
  }
  const folder = join(cache, 'source')
  mkdirSync(folder, { recursive: true })
  const env = {
    ...process.env,
    GIT_INDEX_FILE: join(cache, 'source.index'),
    GIT_WORK_TREE: folder,
    GIT_DIR: join(checkout, '.git'),
  }
  const git = $({ cwd: folder, env, quiet: true })
  const commit = (await git`git rev-parse HEAD`).stdout.trim()
  await git`git read-tree --reset -u ${commit}`
  const epoch = Number((await git`git log -1 --format=%ct ${commit}`).stdout)
  if (!existsSync(join(folder, 'node_modules')))
    symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'))
  const dirty =
    (await $({ cwd: checkout, quiet: true })`git status --porcelain --untracked-files=no`).stdout.trim() !== ''
  return { folder, version: `${base}-${commit.slice(0, 12)}`, epoch, dirty }
}
