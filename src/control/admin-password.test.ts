import { describe, expect, test } from 'vitest'
import { parsePasswordHash } from '../wire/password-hash.ts'
import { checkPassword, hashPassword } from './admin-password.ts'

describe("the console's password", () => {
  test('is checked against its hash, which differs each time', async () => {
    const [first, second] = await Promise.all([hashPassword('wonderland'), hashPassword('wonderland')])
    expect(first).not.toBe(second)
    expect(parsePasswordHash(first)).toMatchObject({ ln: 15, r: 8, p: 1 })
    expect([await checkPassword('wonderland', second), await checkPassword('wonderlanD', second)]).toEqual([
      true,
      false,
    ])
  })

  test("fits a hash that Python's hashlib.scrypt made", async () => {
    const text = '$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGVTQw$/H5x+tuD/xZRQAVyKpY0FqlzGOxZNeH+RyU6IAq5DvM'
    expect([await checkPassword('pleaseletmein', text), await checkPassword('please', text)]).toEqual([true, false])
  })

  test.each([
    ['of another kind', '$6$salt$hash'],
    ['too cheap', '$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['too dear', '$scrypt$ln=20,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['empty', ''],
  ])('a hash %s fits nothing', async (_, text) => {
    expect(await checkPassword('', text)).toBe(false)
  })
})
