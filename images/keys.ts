// Who signs. `--key` and `--certificate` name a signer, `--authority` the certificate that devices trust (the signer's own where it is missing);
// without them a development authority is made under .cache at first use, and every image signed by it says so.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'

export type Signer = {
  /** Paths of PEM files. */
  readonly key: string
  readonly certificate: string
  /** What devices trust, PEM. */
  readonly authority: string
  readonly development: boolean
}

export type KeyOptions = {
  readonly key?: string | undefined
  readonly certificate?: string | undefined
  readonly authority?: string | undefined
}

export async function openSigner({ key, certificate, authority }: KeyOptions, cache: string): Promise<Signer> {
  if (key === undefined && certificate === undefined) return developmentSigner(join(cache, 'development-keys'))
  if (key === undefined || certificate === undefined)
    throw new Error("--key and --certificate go together: the signer's private key and its certificate, both PEM")
  const signed = new X509Certificate(readFileSync(certificate))
  if (!signed.checkPrivateKey(createPrivateKey(readFileSync(key))))
    throw new Error(`${key} is not the private key of ${certificate}`)
  const trusted = readFileSync(authority ?? certificate, 'utf8')
  if (authority !== undefined && !signed.verify(new X509Certificate(trusted).publicKey))
    throw new Error(`${certificate} is not signed by ${authority}`)
  return { key, certificate, authority: trusted, development: false }
}

/** Makes an authority with one signer in `folder` unless it is there. */
export async function developmentSigner(folder: string, name = 'Gatehouse development, not for sale'): Promise<Signer> {
  if (!existsSync(folder)) {
    const draft = `${folder}.draft-${process.pid}`
    mkdirSync(draft, { recursive: true, mode: 0o700 })
    const run = $({ cwd: draft, quiet: true })
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-sha256']
    await run`openssl req -x509 ${curve} -keyout authority.key -out authority.pem -days 10000 -subj ${`/CN=${name}`}`
    await run`openssl req ${curve} -keyout signer.key -out signer.csr -subj ${`/CN=${name}: signer`}`
    const usage =
      'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection,codeSigning\n'
    writeFileSync(join(draft, 'usage'), usage)
    await run`openssl x509 -req -in signer.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 9000 -sha256 -extfile usage -out signer.pem`
    renameSync(draft, folder)
  }
  return {
    key: join(folder, 'signer.key'),
    certificate: join(folder, 'signer.pem'),
    authority: readFileSync(join(folder, 'authority.pem'), 'utf8'),
    development: true,
  }
}
