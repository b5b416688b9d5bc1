// Our PPP against Debian's pppd, without anything below or above: both roles, every kind of authentication, refusals, hanging up.
import { afterEach, expect, test } from 'vitest'
import { Secret } from '../../src/wire/secret.ts'
import { clientPolicy, grant, serverPolicy, user } from '../fakes/ppp-pair.ts'
import { PppdGuest, type PppdOptions } from './lab/pppd.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'

interop('pppd', () => {
  let guest: PppdGuest
  afterEach(() => guest?.close())

  const server = { ...serverPolicy, ipv6: false }
  const begin = (options: Partial<PppdOptions> & { script: string }) => {
    guest = new PppdGuest({ policy: server, users: [user('alice')], grant, ...options })
    return guest
  }
  /** pppd as a client; `then` runs when its link is up. */
  const dial = (
    options: string,
    then = 'sleep 0.5; ping -c 3 -i 0.2 -W 2 10.99.0.1; poff -a 2>/dev/null; kill $(cat /run/ppp0.pid)',
  ) => `
    pppd /dev/ttyS0 115200 local lock noauth nodetach debug logfd 1 noipdefault usepeerdns nodefaultroute ${options} &
    pppd=$!
    for i in $(seq 100); do
      if ip -4 -o addr show ppp0 2>/dev/null | grep -q peer; then
        ip -4 -o addr show ppp0; ip link show ppp0; cat /etc/ppp/resolv.conf; ${then}; break
      fi
      kill -0 $pppd 2>/dev/null || break
      sleep 0.1
    done
    wait $pppd; echo "pppd ended with $?"`
  const alice = 'user alice password wonderland'

  test.for(['mschapv2', 'mschap', 'chap', 'pap'] as const)(
    'as a client, %s: address, name servers, ping',
    async (kind) => {
      begin({ policy: { ...server, authentication: [kind] }, script: dial(alice) })
      const output = await guest.output()
      expect(output).toContain('inet 10.99.0.10 peer 10.99.0.1')
      expect(output).toContain('mtu 1400')
      expect(output).toContain('nameserver 9.9.9.9')
      expect(output).toContain('3 received, 0% packet loss')
      expect(guest.last('network')).toMatchObject({ user: 'alice', authentication: kind })
      expect(guest.effects.find((effect) => effect.do === 'network')).toMatchObject({
        mtu: 1500,
        ipv4: { ours: '10.99.0.1', peers: '10.99.0.10' },
      })
      await until('the link to end', () => guest.last('finished') !== undefined, { timeoutMs: 10_000 })
      expect(guest.last('finished')).toMatchObject({
        byPeer: true,
        reason: 'the peer closed the link: "User request"',
      })
    },
  )

  test('our first request goes into an empty room: no three seconds are lost with it', async () => {
    begin({ script: dial(alice) })
    guest.up()
    await until('LCP', () => guest.events.includes('ppp.lcp.opened'), { timeoutMs: 30_000 })
    const output = await guest.output()
    expect(output).toContain('3 received, 0% packet loss')
    // pppd repeats its own requests after 3 s; it had no need to.
    expect(output.match(/sent \[LCP ConfReq/g)).toHaveLength(1)
  })

  test('it asks for compression of every kind, for VJ and for an address of its own: none of it hurts', async () => {
    begin({ script: dial(`${alice} 192.168.77.7: ipcp-accept-local bsdcomp 12,12 deflate 12,12`) })
    const output = await guest.output()
    expect(output).toContain('rcvd [LCP ProtRej')
    expect(output).toContain('inet 10.99.0.10 peer 10.99.0.1')
    expect(output).toContain('3 received, 0% packet loss')
  })

  test('IPV6CP: both ends have their identifiers', async () => {
    begin({
      policy: { ...server, ipv6: true },
      script: dial(
        `${alice} +ipv6 ipv6 ::0123:4567:89ab:cdef`,
        'sleep 1; ip -6 -o addr show ppp0; kill $(cat /run/ppp0.pid)',
      ),
    })
    const output = await guest.output()
    expect(output).toContain('fe80::123:4567:89ab:cdef peer fe80::1')
    expect(guest.events.filter((event) => event === 'ppp.network.opened')).toHaveLength(2)
  })

  test('a wrong password: 691, said on both sides', async () => {
    begin({ script: dial('user alice password nonsense') })
    const output = await guest.output()
    expect(output).toContain('E=691 R=1')
    expect(output).toContain('CHAP authentication failed')
    expect(output).toContain('pppd ended with 19')
    expect(
      guest.effects.find((effect) => effect.do === 'report' && effect.event.event === 'ppp.auth.refused'),
    ).toMatchObject({
      event: { user: 'alice', why: 'the password of "alice" is wrong', userSees: 691 },
    })
    expect(guest.last('network')).toBeUndefined()
  })

  test('it agrees to no kind that we allow', async () => {
    begin({ script: dial(`${alice} refuse-mschap-v2 refuse-eap`) })
    await guest.output()
    expect(guest.effects.find((effect) => effect.do === 'report')).toMatchObject({
      event: { event: 'ppp.auth.impossible' },
    })
    expect(guest.last('finished')?.reason).toContain(
      'does not agree to any PPP authentication allowed here (MS-CHAPv2)',
    )
  })

  test('we hang up: it reads why', async () => {
    begin({ script: dial(alice, 'wait $pppd') })
    await until('the link', () => guest.last('network')?.ipv4 !== undefined, { timeoutMs: 30_000 })
    guest.give({ on: 'close', reason: 'the pool is being moved' })
    expect(await guest.output()).toContain('rcvd [LCP TermReq id=0x')
    expect(guest.last('finished')).toMatchObject({ reason: 'the pool is being moved', byPeer: false })
  })

  test('its echoes are answered, ours too', async () => {
    const policy = { ...server, echo: { idleSeconds: 1, intervalSeconds: 1, tries: 3 } }
    begin({
      policy,
      script: dial(`${alice} lcp-echo-interval 1 lcp-echo-failure 2`, 'sleep 6; kill $(cat /run/ppp0.pid)'),
    })
    const output = await guest.output()
    expect(output).toContain('rcvd [LCP EchoRep')
    expect(output).not.toContain('No response')
    expect(guest.events).not.toContain('ppp.peer.silent')
  })

  /** pppd as a server for our client. */
  const serve = (options: string, seconds = 6) => `
    printf '%s\\n' 'alice * wonderland *' >/etc/ppp/chap-secrets
    cp /etc/ppp/chap-secrets /etc/ppp/pap-secrets; chmod 600 /etc/ppp/*-secrets
    pppd /dev/ttyS0 115200 local lock auth nodetach debug logfd 1 10.77.0.1:10.77.0.9 ms-dns 10.77.0.53 ${options} &
    pppd=$!
    for i in $(seq ${seconds * 10}); do
      if ip -4 -o addr show ppp0 2>/dev/null | grep -q peer; then
        sleep 0.5; ping -c 3 -i 0.2 -W 2 10.77.0.9; kill $(cat /run/ppp0.pid); break
      fi
      kill -0 $pppd 2>/dev/null || break
      sleep 0.1
    done
    wait $pppd; echo "pppd ended with $?"`
  const client = { ...clientPolicy, ipv6: false }

  test.for([
    ['mschapv2', 'require-mschap-v2'],
    ['mschap', 'require-mschap'],
    ['chap', 'require-chap'],
    ['pap', 'require-pap'],
  ] as const)('as a server, %s: our client gets its address and name server', async ([kind, demand]) => {
    begin({ policy: client, script: serve(demand) })
    const output = await guest.output()
    expect(output).toContain('3 received, 0% packet loss')
    expect(guest.effects.find((effect) => effect.do === 'network')).toMatchObject({
      user: 'alice',
      ipv4: { ours: '10.77.0.9', peers: '10.77.0.1', dns: ['10.77.0.53'] },
      authentication: kind,
    })
  })

  test('as a server, our password is wrong', async () => {
    const credentials = { user: 'alice', password: new Secret('nonsense') }
    begin({ policy: { ...client, credentials }, script: serve('require-mschap-v2') })
    await guest.output()
    expect(guest.last('finished')).toMatchObject({
      reason: expect.stringContaining('the server refused with error 691'),
      userSees: 691,
    })
  })

  test('as a server that demands EAP: ours is named instead', async () => {
    begin({ policy: client, script: serve('require-eap require-mschap-v2') })
    await guest.output()
    expect(guest.effects.find((effect) => effect.do === 'network')).toMatchObject({ authentication: 'mschapv2' })
  })
})
