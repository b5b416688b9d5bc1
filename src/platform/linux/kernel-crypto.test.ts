// The kernel's list as ESP, and priorities that come and go.
import { describe, expect, test } from 'vitest'
import type { NativeKernelAlgorithm } from '../addon.ts'
import { kernelDrivers } from './kernel-crypto.ts'
import { KernelPriorities, sayPriority } from './kernel-priorities.ts'

const entry = (name: string, driver: string, priority: number, more: Partial<NativeKernelAlgorithm> = {}) =>
  ({
    name,
    driver,
    module: 'kernel',
    type: 'skcipher',
    priority,
    references: 1,
    asynchronous: false,
    selfTestPassed: true,
    internal: false,
    instance: driver.includes('('),
    made: 'processor',
    ...more,
  }) satisfies NativeKernelAlgorithm

const list = [
  entry('deflate', 'deflate-generic', 0),
  entry('hmac(sha1)', 'hmac(sha1-generic)', 100),
  entry('cbc(aes)', 'cbc(aes-generic)', 100),
  entry('cbc(aes)', '__cbc-aes-broken', 9000, { selfTestPassed: false }),
  entry('cbc(aes)', '__cbc-aes-inner', 9000, { internal: true }),
  entry('cbc(aes)', 'virtio_crypto_aes_cbc', 150, { module: 'virtio_crypto', asynchronous: true }),
  entry('cbc(aes)', 'cbc-aes-aesni', 400, { module: 'aesni_intel' }),
  entry('rfc4106(gcm(aes))', 'rfc4106-gcm-aesni', 400),
  entry('echainiv(authenc(hmac(sha1),cbc(aes)))', 'echainiv(authenc(hmac(sha1-generic),virtio_crypto_aes_cbc))', 1500),
  entry('cbc(des3_ede)', 'safexcel-cbc-des3_ede', 300, { made: 'device', asynchronous: true }),
]

describe('the kernel as an engine of ESP', () => {
  test('what serves ESP first; kind, choice, proposals', () => {
    const shown = kernelDrivers(list).map(({ algorithm, driver, kind, synchronous, chosen, esp }) =>
      [algorithm, driver, kind, synchronous ? 'sync' : 'async', chosen ? 'chosen' : '-', esp.join(' ')].join(' | '),
    )
    const aes = 'aes128-sha1 aes192-sha1 aes256-sha1'
    expect(shown).toEqual([
      'cbc(aes) | __cbc-aes-broken | generic | sync | - | ',
      'cbc(aes) | __cbc-aes-inner | generic | sync | - | ',
      `cbc(aes) | cbc-aes-aesni | instructions | sync | chosen | ${aes}`,
      `cbc(aes) | virtio_crypto_aes_cbc | device | async | - | ${aes}`,
      `cbc(aes) | cbc(aes-generic) | generic | sync | - | ${aes}`,
      'cbc(des3_ede) | safexcel-cbc-des3_ede | device | async | chosen | 3des-sha1',
      'rfc4106(gcm(aes)) | rfc4106-gcm-aesni | instructions | sync | chosen | aes128gcm16 aes192gcm16 aes256gcm16',
      `hmac(sha1) | hmac(sha1-generic) | generic | sync | chosen | ${aes} 3des-sha1`,
      `echainiv(authenc(hmac(sha1),cbc(aes))) | echainiv(authenc(hmac(sha1-generic),virtio_crypto_aes_cbc)) | device | sync | chosen | ${aes}`,
      'deflate | deflate-generic | generic | sync | chosen | ',
    ])
  })
})

/** A kernel with these drivers; `refuse` is thrown by every change. */
function kernelWith(priorities: Record<string, number>, refuse?: Error & { code?: string }) {
  const now = new Map(Object.entries(priorities))
  const made: string[] = []
  return {
    now,
    made,
    hasEngine: (name: string) => {
      made.push(name)
      if (name !== 'af-alg:cryptd(x)') return false
      now.set('cryptd(x)', 50)
      return true
    },
    listKernelAlgorithms: () => ({
      netlink: true,
      algorithms: [...now].map(([driver, priority]) => entry('cbc(aes)', driver, priority)),
    }),
    setAlgorithmPriority: (driver: string, priority: number) => {
      if (refuse) throw refuse
      const before = now.get(driver)
      if (before === undefined) throw Object.assign(new Error('cannot find'), { code: 'ENOENT' })
      now.set(driver, priority)
      return { before, dropped: [], inUse: driver === 'busy' ? ['authenc(x,old)'] : [] }
    },
  }
}

function memory(text?: string) {
  const files = new Map(text === undefined ? [] : [['engines.json', text]])
  return {
    files,
    read: (name: string) => files.get(name),
    write: (name: string, content: string) => void files.set(name, content),
    remove: (name: string) => void files.delete(name),
  }
}

describe('kernel priorities', () => {
  test('are raised, journalled, and put back', () => {
    const [kernel, store] = [kernelWith({ slow: 150, fast: 400 }), memory()]
    const priorities = new KernelPriorities(kernel, store)
    expect(priorities.apply([{ driver: 'slow', priority: 5000 }]).map(sayPriority)).toEqual([
      "the kernel's slow has priority 5000 instead of 150",
    ])
    expect(store.files.get('engines.json')).toBe('{"slow":150}\n')
    expect(priorities.restore().map(sayPriority)).toEqual(["the kernel's slow has its priority 150 again"])
    expect([...kernel.now]).toEqual([
      ['slow', 150],
      ['fast', 400],
    ])
    expect(store.files.size).toBe(0)
  })

  test('after a kill what stays wanted stays raised, the rest is put back, and the first priority is remembered', () => {
    const [kernel, store] = [kernelWith({ a: 5000, b: 5000 }), memory('{"a":10,"b":20}\n')]
    const priorities = new KernelPriorities(kernel, store)
    expect(priorities.apply([{ driver: 'a', priority: 5000 }]).map(sayPriority)).toEqual([
      "the kernel's b has its priority 20 again",
    ])
    expect(store.files.get('engines.json')).toBe('{"a":10}\n')
    priorities.restore()
    expect([...kernel.now]).toEqual([
      ['a', 10],
      ['b', 20],
    ])
  })

  test('a driver that is made by asking, one that is not there, one whose predecessor is in use, and a kernel that refuses', () => {
    const kernel = kernelWith({ busy: 1 })
    const wanted = ['cryptd(x)', 'abacus', 'busy'].map((driver) => ({ driver, priority: 7 }))
    expect(new KernelPriorities(kernel, memory()).apply(wanted).map(sayPriority)).toEqual([
      "the kernel's cryptd(x) has priority 7 instead of 50",
      "the priority of the kernel's abacus was not changed: the kernel has no driver of this name; is its module loaded, its device there?",
      "the kernel's busy has priority 7 instead of 1; SAs go on with authenc(x,old) until those that use it are gone",
    ])
    const refusing = kernelWith({ a: 1 }, Object.assign(new Error('not permitted'), { code: 'EPERM' }))
    expect(new KernelPriorities(refusing, memory()).apply([{ driver: 'a', priority: 7 }]).map(sayPriority)).toEqual([
      "the priority of the kernel's a was not changed: not permitted",
    ])
  })

  test('a journal that is none of ours is no journal', () => {
    for (const text of ['', 'x', '[]', '{"a":"b"}', 'null'])
      expect(new KernelPriorities(kernelWith({}), memory(text)).restore()).toEqual([])
  })
})
