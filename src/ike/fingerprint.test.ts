import { describe, expect, test } from 'vitest'
import { hexVectors } from '../../test/vectors.ts'
import { unhex } from '../wire/codec.ts'
import { fingerprint, recognise, vendorNames } from './fingerprint.ts'
import { parseChain } from './wire/chain.ts'
import { parseHeader } from './wire/header.ts'
import { vidPayload } from './wire/payloads.ts'
import { vendorOctets } from './wire/vendor-ids.ts'

describe('who sent the first packet', () => {
  test('real clients', () => {
    const table = hexVectors('ike/first-packets').map(({ name, octets }) => {
      const { header, body } = parseHeader(octets)
      const { software, kind } = recognise(parseChain(header.next, body, 'clear').payloads)
      return `${name}: ${software} (${kind})`
    })
    expect(table).toMatchInlineSnapshot(`
      [
        "android-2-4.0-psk: Android 2 to 4.0 (android)",
        "android-4-6-psk: Android 4 to 6 (android)",
        "android-6-7-psk: Android 6 or 7 (android)",
        "android-8-11-psk: Android 8 to 11 (android)",
        "chromeos-old: ChromeOS (strongswan)",
        "cisco-ios-psk: Cisco IOS (cisco)",
        "draytek-vigor: DrayTek Vigor (draytek)",
        "libreswan-l2tp: libreswan or Openswan (libreswan)",
        "macos-ios-current-psk: macOS or iOS (apple)",
        "macosx-10.4-10.8-psk: Mac OS X 10.4 to 10.8 (apple)",
        "mikrotik-ros6-default: MikroTik RouterOS (mikrotik)",
        "msl2tp-98-me-nt4: Microsoft L2TP/IPSec VPN Client (Windows 98, ME, NT 4) (windows-legacy)",
        "nm-l2tp-strongswan: strongSwan (Linux, EdgeOS, OpenWrt) (strongswan)",
        "nm-l2tp-strongswan-3des: strongSwan (Linux, EdgeOS, OpenWrt) (strongswan)",
        "nm-l2tp-strongswan-3des-plus-default: strongSwan (Linux, EdgeOS, OpenWrt) (strongswan)",
        "tplink-router: TP-Link router (unknown)",
        "vista-2008-psk: Windows Vista or Server 2008 (windows)",
        "win2000-kb818043-psk: Windows 2000 (windows-legacy)",
        "win2000-sp4-psk: Windows 2000 (windows-legacy)",
        "win7-2008r2-psk: Windows 7 or Server 2008 R2 (windows)",
        "win8-win11-cert: Windows 8 to 11, Server 2012 and later (windows)",
        "win8-win11-psk: Windows 8 to 11, Server 2012 and later (windows)",
        "winxp-sp2-2003-psk: Windows XP or Server 2003 (windows-legacy)",
      ]
    `)
  })

  test('we ourselves, and nobody', () => {
    expect(fingerprint([vidPayload(vendorOctets('Gatehouse'))])).toBe('gatehouse')
    expect(fingerprint([])).toBe('unknown')
  })

  test('vendor ids that nobody knows are left out', () => {
    expect(vendorNames([vidPayload(unhex('00')), vidPayload(vendorOctets('DPD'))])).toEqual(['DPD'])
  })
})
