// Lines of `gatehouse status` that a policy adds: what it protects, and above all what it doesn't.
import { expect, test } from 'vitest'
import { policyLines } from './status-tables.ts'

const none = { assigned: 'Servers', builtInL2tpRule: true, filters: [], soft: [], secured: [] }

test('a soft association is shown as one, in clear, beside what is protected', () => {
  const secured = {
    rule: 'files',
    peer: '192.0.2.2:500',
    traffic: '192.0.2.1 -> 192.0.2.2:445 tcp',
    ike: 'aes256-sha256-modp2048',
    esp: '3des-md5',
    weak: true,
    since: '2026-06-01T12:00:00.000Z',
  }
  const soft = { rule: 'ask', peer: '192.0.2.9', since: '2026-06-01T12:00:00.000Z', until: '2026-06-01T12:05:00.000Z' }
  expect(policyLines({ ...none, soft: [soft], secured: [secured] })).toEqual([
    'IPsec policy Servers',
    '  192.0.2.1 -> 192.0.2.2:445 tcp with 192.0.2.2:500: ESP 3des-md5 (weak), rule files',
    '  192.0.2.9: soft association, in clear until 2026-06-01T12:05:00.000Z, rule ask',
    '',
  ])
  expect(policyLines(none)).toEqual(['IPsec policy Servers', '  nothing is protected or soft now', ''])
  expect(policyLines({ ...none, assigned: undefined })).toEqual([])
})
