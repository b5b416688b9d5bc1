import { describe, expect, test } from 'vitest'
import { hexVectors } from '../../test/vectors.ts'
import { unhex } from '../wire/codec.ts'
import { fingerprint, vendorNames } from './fingerprint.ts'
import { parseChain } from './wire/chain.ts'
import { parseHeader } from './wire/header.ts'
import { vidPayload } from './wire/payloads.ts'
import { vendorOctets } from './wire/vendor-ids.ts'

describe('who sent the first packet', () => {
  test('real clients', () => {
    const table = hexVectors('ike/first-packets').map(({ name, octets }) => {
      const { header, body } = parseHeader(octets)
      return `${name}: ${fingerprint(parseChain(header.next, body, 'clear').payloads)}`
    })
    expect(table).toEqual([
      'android-2-4.0-psk: android',
      'android-4-6-psk: android',
      'android-8-11-psk: android',
      'chromeos-old: strongswan',
      'cisco-ios-psk: cisco',
      'libreswan-l2tp: libreswan',
      'macos-ios-current-psk: apple',
      'macosx-10.4-10.8-psk: apple',
      'mikrotik-ros6-default: mikrotik',
      'msl2tp-98-me-nt4: windows-legacy',
      'nm-l2tp-strongswan: strongswan',
      'nm-l2tp-strongswan-3des: strongswan',
      'nm-l2tp-strongswan-3des-plus-default: strongswan',
      'tplink-router: unknown',
      'vista-2008-psk: windows',
      'win2000-kb818043-psk: windows-legacy',
      'win2000-sp4-psk: windows-legacy',
      'win8-win11-cert: windows',
      'win8-win11-psk: windows',
      'winxp-sp2-2003-psk: windows-legacy',
    ])
  })

  test('we ourselves, and nobody', () => {
    expect(fingerprint([vidPayload(vendorOctets('Gatehouse'))])).toBe('gatehouse')
    expect(fingerprint([])).toBe('unknown')
  })

  test('vendor ids that nobody knows are left out', () => {
    expect(vendorNames([vidPayload(unhex('00')), vidPayload(vendorOctets('DPD'))])).toEqual(['DPD'])
  })
})
