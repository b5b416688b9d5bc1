import { expect, test } from 'vitest'
import { spdx } from './bill-of-materials.ts'

test('a bill names every package with version, checksum and purl, and is dated by the commit', () => {
  const debian = [{ name: 'libstdc++6', version: '12.2.0-14+deb12u1', architecture: 'amd64', sha256: 'ab', file: '/x' }]
  const npm = [{ name: '@a/b', version: '1.0.0', licence: 'MIT', integrity: 'sha512-AAEC' }]
  const bill = JSON.parse(spdx({ name: 'gatehouse-x', version: '1', epoch: 86400, debian, npm }))
  expect(bill.creationInfo.created).toBe('1970-01-02T00:00:00Z')
  expect(bill.packages.map((one: { SPDXID: string }) => one.SPDXID)).toEqual([
    'SPDXRef-firmware',
    'SPDXRef-deb-libstdc--6',
    'SPDXRef-npm--a-b',
  ])
  expect(bill.packages[1].externalRefs[0].referenceLocator).toBe(
    'pkg:deb/debian/libstdc++6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm',
  )
  expect(bill.packages[2].checksums).toEqual([{ algorithm: 'SHA512', checksumValue: '000102' }])
  expect(bill.relationships).toHaveLength(3)
})
