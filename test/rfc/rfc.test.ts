// The register of MUSTs holds: each line has a test that is there, or a reason. `npm run rfc` prints it.
import { expect, test } from 'vitest'
import { demandingSections, fault, musts } from '../../scripts/rfc.js'

test('each MUST has a test that exists, or a reason why not', () => {
  const faults = musts().flatMap((must) => {
    const wrong = fault(must)
    return wrong ? [`${must.rfc}.txt:${must.line}: ${wrong}`] : []
  })
  expect(faults).toEqual([])
})

test('the thirteen RFCs are all there', () => {
  expect([...new Set(musts().map(({ rfc }) => Number(rfc)))].sort((a, b) => a - b)).toEqual([
    1332, 1661, 1994, 2407, 2408, 2409, 2661, 2759, 3193, 3706, 3947, 3948, 4303,
  ])
})

test('a line without a proof, or with one that is not there, is a fault', () => {
  const line = { rfc: '1', line: 1, section: '2.1', demand: 'x' }
  expect([
    fault({ ...line, proof: '' }),
    fault({ ...line, proof: 'test wire/codec: no such name' }),
    fault({ ...line, proof: 'not: no' }),
    fault({ ...line, proof: 'test wire/codec: hex and back, white space and colons passed over' }),
    fault({ ...line, section: '2.1, 3, A2.1', proof: 'test ppp/link: phase %s > an IP packet' }),
    fault({ ...line, section: '2.1 3', proof: 'test ppp/link: phase %s > an IP packet' }),
  ]).toEqual([
    'neither a test nor a reason',
    'src/wire/codec.test.ts has no test “no such name”',
    'the reason says too little',
    undefined,
    undefined,
    'a line is: section | demand | test FILE: NAME, or not: REASON',
  ])
})

test('sections of a text that demand something', () => {
  expect(
    demandingSections('1. Introduction\n\n   a\n2.1  Header\n   It MUST be.\n2.2 Body\n   must\nA. More\n   SHALL'),
  ).toEqual(['2.1', 'A'])
  expect(demandingSections('13. References\n\nAppendix A\n\n   It MUST.\nAppendix B: More\n')).toEqual(['A'])
  expect(demandingSections('1. Before the capitals\n   It must be.\nA3.2 More\n   and shall.')).toEqual(['1', 'A3.2'])
})
