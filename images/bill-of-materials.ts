// What is in the image, as SPDX 2.3 in JSON: every Debian and every npm package with version, checksum and purl.
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { DebianPackage } from './packages.ts'
import type { NpmPackage } from './program.ts'

export type Bill = {
  readonly name: string
  readonly version: string
  readonly epoch: number
  readonly debian: readonly DebianPackage[]
  readonly npm: readonly NpmPackage[]
}

export function spdx({ name, version, epoch, debian, npm }: Bill): string {
  const packages = [own(name, version), ...debian.map(debianEntry), ...npm.map(npmEntry)]
  const digest = createHash('sha256').update(JSON.stringify(packages)).digest('hex')
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${name}-${version}`,
    documentNamespace: `https://spdx.org/spdxdocs/${name}-${version}-${digest.slice(0, 32)}`,
    creationInfo: {
      created: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z'),
      creators: ['Tool: gatehouse-image-build'],
    },
    packages,
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-firmware' },
      ...packages.slice(1).map(({ SPDXID }) => ({
        spdxElementId: 'SPDXRef-firmware',
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  }
  return `${JSON.stringify(document, null, 1)}\n`
}

export function writeBill(bill: Bill, file: string): void {
  writeFileSync(file, spdx(bill))
}

function own(name: string, version: string) {
  return { ...common('firmware', name, version), licenseDeclared: 'Apache-2.0', primaryPackagePurpose: 'FIRMWARE' }
}

function debianEntry({ name, version, architecture, sha256, homepage }: DebianPackage) {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}&distro=bookworm`
  return {
    ...common(`deb-${name}`, name, version),
    licenseDeclared: 'NOASSERTION',
    ...(homepage ? { homepage } : {}),
    checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }],
    externalRefs: [reference(purl)],
  }
}

function npmEntry({ name, version, licence, integrity }: NpmPackage) {
  const [kind, value] = [integrity.slice(0, integrity.indexOf('-')), integrity.slice(integrity.indexOf('-') + 1)]
  return {
    ...common(`npm-${name}`, name, version),
    licenseDeclared: licence,
    checksums: [{ algorithm: kind.toUpperCase(), checksumValue: Buffer.from(value, 'base64').toString('hex') }],
    externalRefs: [reference(`pkg:npm/${name.replace('@', '%40')}@${version}`)],
  }
}

function reference(locator: string) {
  return { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: locator }
}

/** Identifiers hold letters, digits, dots and dashes only (SPDX 2.3 §7.2). */
function common(id: string, name: string, version: string) {
  return {
    SPDXID: `SPDXRef-${id.replace(/[^A-Za-z0-9.-]/g, '-')}`,
    name,
    versionInfo: version,
    supplier: 'NOASSERTION',
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    copyrightText: 'NOASSERTION',
  }
}
