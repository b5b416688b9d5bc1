import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { concat, hex, unhex } from '../../wire/codec.ts'
import { identifyVendor, type VendorName, vendorOctets } from './vendor-ids.ts'

describe('vendor ids', () => {
  const derived: readonly [VendorName, string][] = [
    ['RFC 3947', 'RFC 3947'],
    ['draft-ietf-ipsec-nat-t-ike', 'draft-ietf-ipsec-nat-t-ike'],
    ['draft-ietf-ipsec-nat-t-ike-00', 'draft-ietf-ipsec-nat-t-ike-00'],
    ['draft-ietf-ipsec-nat-t-ike-02', 'draft-ietf-ipsec-nat-t-ike-02'],
    ['draft-ietf-ipsec-nat-t-ike-02\\n', 'draft-ietf-ipsec-nat-t-ike-02\n'],
    ['draft-ietf-ipsec-nat-t-ike-03', 'draft-ietf-ipsec-nat-t-ike-03'],
    ['draft-ietf-ipsec-nat-t-ike-08', 'draft-ietf-ipsec-nat-t-ike-08'],
    ['FRAGMENTATION', 'FRAGMENTATION'],
    ['MS NT5 ISAKMPOAKLEY', 'MS NT5 ISAKMPOAKLEY'],
    ['MS-Negotiation Discovery Capable', 'MS-Negotiation Discovery Capable'],
    ['Vid-Initial-Contact', 'Vid-Initial-Contact'],
    ['IKE CGA version 1', 'IKE CGA version 1'],
    ['MS-MamieExists', 'MS-MamieExists'],
    ['GSSAPI', 'GSSAPI'],
    ['Gatehouse', 'Gatehouse'],
  ]
  test.each(derived)('%s is the MD5 of its text', (name, text) => {
    expect(hex(vendorOctets(name))).toBe(createHash('md5').update(text).digest('hex'))
  })

  test('some carry a version or flags behind a known beginning', () => {
    const windows = concat(vendorOctets('MS NT5 ISAKMPOAKLEY'), unhex('00000009'))
    expect(identifyVendor(windows)).toEqual({ name: 'MS NT5 ISAKMPOAKLEY', rest: unhex('00000009') })
    expect(identifyVendor(vendorOctets('FRAGMENTATION'))).toEqual({ name: 'FRAGMENTATION', rest: new Uint8Array() })
  })

  test('others must match whole; unknown and empty ones are nobody’s', () => {
    expect(identifyVendor(concat(vendorOctets('RFC 3947'), unhex('00')))).toBeUndefined()
    expect(identifyVendor(vendorOctets('RFC 3947').subarray(1))).toBeUndefined()
    expect(identifyVendor(new Uint8Array())).toBeUndefined()
  })
})
