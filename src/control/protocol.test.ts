import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lines, parseRequest } from './protocol.ts'

test('a stream cut anywhere gives the same lines', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 20 })), fc.array(fc.nat(10)), (texts, cuts) => {
      const expected = texts.map((text) => text.replaceAll('\n', ' ')).filter((text) => text.trim() !== '')
      let stream = expected.map((text) => `${text}\n`).join('')
      const lines = new Lines(1000)
      const seen: string[] = []
      for (const cut of cuts) {
        seen.push(...lines.push(stream.slice(0, cut)))
        stream = stream.slice(cut)
      }
      seen.push(...lines.push(stream))
      expect(seen).toEqual(expected)
    }),
  )
})

test('a line without end is refused', () => {
  const lines = new Lines(10)
  expect(lines.push('12345')).toEqual([])
  expect(() => lines.push('678901')).toThrow(RangeError)
})

test('whatever a line holds, it asks something known or is answered with a sentence', () => {
  const line = fc.oneof(
    fc.string(),
    fc.json(),
    fc.object().map((value) => JSON.stringify({ id: 1, ...value })),
  )
  fc.assert(
    fc.property(line, (text) => {
      const request = parseRequest(text)
      if (typeof request === 'string') expect(request).toMatch(/^(the request|disconnect)/)
      else expect(['status', 'disconnect', 'reload', 'events', 'stop']).toContain(request.ask)
    }),
    { numRuns: 2000 },
  )
})

test('the requests that there are', () => {
  expect(parseRequest('{"id":1,"ask":"status"}')).toEqual({ id: 1, ask: 'status' })
  expect(parseRequest('{"id":2,"ask":"disconnect","target":"alice","more":1}')).toEqual({
    id: 2,
    ask: 'disconnect',
    target: 'alice',
  })
  expect(parseRequest('{"id":2,"ask":"disconnect"}')).toMatch(/target/)
  expect(parseRequest('{"ask":"status"}')).toMatch(/no id/)
  expect(parseRequest('null')).toMatch(/no object/)
})
