// Debian packages for a foreign or an own architecture, with an apt of our own that knows nothing of the machine's: resolved against an empty
// system, fetched once into .cache, and unpacked without running a line of theirs. So it needs neither emulation nor a chroot, and two runs
// over the same packages give the same tree.
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { $ } from 'zx'
import type { Architecture } from '../board/common/board.ts'
import { suite } from './recipe.ts'

/** One package as it went into an image: enough to fetch the same octets again from an archive that still has them. */
export type DebianPackage = {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly sha256: string
  readonly file: string
  /** Upstream's page, if the package names one. */
  readonly homepage?: string
}

export class Apt {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Prepares apt's folders below `cache`; the package lists are fetched if they are older than `maxAgeHours` or not there. */
  static async open(architecture: Architecture, cache: string, maxAgeHours = 24): Promise<Apt> {
    const folder = join(cache, `apt-${architecture}`)
    for (const sub of ['lists/partial', 'archives/partial', 'etc']) mkdirSync(join(folder, sub), { recursive: true })
    writeFileSync(join(folder, 'status'), '')
    writeFileSync(join(folder, 'apt.conf'), configuration(architecture, folder))
    const sources = debianSources(join(folder, 'etc'))
    const apt = new Apt(folder)
    const stamp = join(folder, 'updated')
    const [time = '', of] = existsSync(stamp) ? readFileSync(stamp, 'utf8').split(' ') : []
    if (of !== sources || Date.now() - Number(time) > maxAgeHours * 3_600_000) {
      await apt.#run('update')
      writeFileSync(stamp, `${Date.now()} ${sources}`)
    }
    return apt
  }

  /** Fetches the packages and, unless `alone`, all that they depend on. In alphabetical order. */
  async fetch(names: readonly string[], { alone = false } = {}): Promise<readonly DebianPackage[]> {
    const files = alone ? await this.#fetchAlone(names) : await this.#fetchAll(names)
    const packages = await Promise.all(files.map(describe))
    return packages.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  async #fetchAll(names: readonly string[]): Promise<readonly string[]> {
    await this.#run('install', '--download-only', '-y', ...names)
    const plan = (await this.#run('install', '--simulate', '-y', ...names)).stdout
    const installs = [...plan.matchAll(/^Inst (\S+) \((\S+) /gm)]
    return this.#archived(installs.map(([, name, version]) => `${name}_${version!.replace(':', '%3a')}_`))
  }

  #archived(prefixes: readonly string[]): readonly string[] {
    const there = readdirSync(this.#archives)
    return prefixes.map((prefix) => {
      const found = there.find((file) => file.startsWith(prefix) && file.endsWith('.deb'))
      if (!found) throw new Error(`apt did not fetch ${prefix}*.deb into ${this.#archives}`)
      return join(this.#archives, found)
    })
  }

  async #fetchAlone(names: readonly string[]): Promise<readonly string[]> {
    const files: string[] = []
    for (const name of names) {
      const text = (await this.#run('download', '--print-uris', name)).stdout
      const file = /^'[^']+' (\S+\.deb) /m.exec(text)?.[1]
      if (!file) throw new Error(`apt knows no address for ${name}: ${text}`)
      const path = join(this.#archives, file)
      if (!existsSync(path)) await $({ cwd: this.#archives, env: this.#env, quiet: true })`apt-get -q download ${name}`
      files.push(path)
    }
    return files
  }

  get #archives(): string {
    return join(this.#folder, 'archives')
  }

  get #env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      APT_CONFIG: join(this.#folder, 'apt.conf'),
      DEBIAN_FRONTEND: 'noninteractive',
      LC_ALL: 'C',
    }
  }

  #run(...words: readonly string[]) {
    return $({ env: this.#env, quiet: true })`apt-get -q ${words}`
  }
}

/** Unpacks packages over `root`, in the order given. Links of the merged /usr stay links. */
export async function unpack(packages: readonly DebianPackage[], root: string): Promise<void> {
  for (const { file } of packages)
    await $({
      quiet: true,
    })`dpkg-deb --fsys-tarfile ${file} | tar -x -p --numeric-owner --keep-directory-symlink -C ${root}`
}

function configuration(architecture: Architecture, folder: string): string {
  return [
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
    'APT::Install-Recommends "false";',
    'APT::Keep-Downloaded-Packages "true";',
    'Acquire::Languages "none";',
    `Dir::State "${folder}";`,
    `Dir::State::status "${folder}/status";`,
    `Dir::State::lists "${folder}/lists";`,
    `Dir::Cache "${folder}";`,
    `Dir::Cache::archives "${folder}/archives";`,
    `Dir::Etc::sourcelist "${folder}/etc/none.list";`,
    `Dir::Etc::sourceparts "${folder}/etc";`,
    'APT::Sandbox::User "root";',
    // A machine's hooks (cleaning, indexing) are not for these folders.
    '#clear DPkg::Post-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '',
  ].join('\n')
}

/**
 * The machine's own Debian sources of our suite: a mirror that it is told to use is used here too; else Debian's own. With the component of firmware, which some
 * boards' start needs (raspi-firmware). Answers the sources' digest.
 */
function debianSources(folder: string): string {
  const parts = '/etc/apt/sources.list.d'
  const candidates = [
    '/etc/apt/sources.list',
    ...(existsSync(parts) ? readdirSync(parts).map((file) => join(parts, file)) : []),
  ]
  const ours = candidates.filter(
    (file) =>
      existsSync(file) &&
      /\.(list|sources)$/.test(file) &&
      new RegExp(`(^|\\s)${suite}(\\s|$)`, 'm').test(readFileSync(file, 'utf8')),
  )
  const line = (uri: string, name: string) =>
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri} ${name} main\n`
  const usual =
    line('http://deb.debian.org/debian', suite) + line('http://deb.debian.org/debian-security', `${suite}-security`)
  const sources = new Map(ours.map((file) => [basename(file), readFileSync(file, 'utf8')]))
  if (sources.size === 0) sources.set('debian.list', usual)
  const digest = createHash('sha256')
  for (const [name, text] of sources) {
    const whole = withFirmware(text)
    writeFileSync(join(folder, name), whole)
    digest.update(whole)
  }
  return digest.digest('hex')
}

/** Sources in either of apt's forms, with Debian's component of firmware beside main. */
export function withFirmware(sources: string): string {
  return sources.replace(/^(Components:.*|deb(?:-src)? .*)$/gm, (line) =>
    / main\b/.test(line) && !line.includes('non-free-firmware') ? `${line.trimEnd()} non-free-firmware` : line,
  )
}

async function describe(file: string): Promise<DebianPackage> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  const text = (await $({ quiet: true })`dpkg-deb -f ${file} Package Version Architecture Homepage`).stdout
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1]
  const homepage = field('Homepage')
  return {
    name: field('Package')!,
    version: field('Version')!,
    architecture: field('Architecture')!,
    sha256: hash.digest('hex'),
    file,
    ...(homepage ? { homepage } : {}),
  }
}
