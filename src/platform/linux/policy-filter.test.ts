// The policy's filter on the kernel itself, with a peer that doesn't speak IPsec, in namespaces that root or an unprivileged user namespace may make.
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dnsServers, elementsOf, gateways } from './policy-filter.ts'

const unshare = ['--user', '--map-root-user', '--net']
const may = spawnSync('unshare', [...unshare, 'nft', 'list', 'tables']).status === 0

test.runIf(may).each(['userland', 'kernel'])(
  '%s plane: what should be protected and has no SA is dropped, unless it is soft',
  (plane) => {
    const fixture = join(import.meta.dirname, 'policy-filter.fixture.ts')
    const text = execFileSync('unshare', [...unshare, process.execPath, fixture, plane], { encoding: 'utf8' })
    expect(JSON.parse(text)).toEqual({
      before: true,
      protected: [false, false],
      wanted: [{ soft: 0, peer: '192.0.2.9' }],
      wantedAgain: [],
      soft: [true, true],
      ended: false,
      carried: false,
      acceptUnsecured: false,
      permitted: true,
      blocked: false,
      cleared: [true, ''],
    })
  },
)

test('what the machine says of itself', () => {
  expect(dnsServers('# by hand\nnameserver 10.1.0.53\nnameserver 2001:db8::1\nsearch example.org\n')).toEqual([
    '10.1.0.53',
  ])
  expect(
    gateways('Iface\tDestination\tGateway\tFlags\neth0\t00000000\tFE0200C0\t0003\neth0\t000200C0\t00000000\t0001\n'),
  ).toEqual(['192.0.2.254'])
  expect(
    elementsOf(
      '{"nftables":[{"metainfo":{}},{"set":{"elem":[{"elem":{"val":"192.0.2.9","expires":29}},"192.0.2.8"]}}]}',
    ),
  ).toEqual(['192.0.2.9', '192.0.2.8'])
})
