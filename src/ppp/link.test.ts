// One link by itself: every phase and input; the negotiations of real clients; what ends a link and what doesn't.
import { describe, expect, test } from 'vitest'
import { LinkBench, type Seen, serverIn } from '../../test/fakes/ppp-link.ts'
import { clientPolicy, grant } from '../../test/fakes/ppp-pair.ts'
import { hexVector } from '../../test/vectors.ts'
import type { AuthVerdict } from '../auth/contract.ts'
import { hex, unhex } from '../wire/codec.ts'
import type { PppInput } from './contract.ts'

const frame = (octets: string): PppInput => ({
  on: 'frame',
  protocol: Number.parseInt(octets.slice(0, 4), 16),
  payload: unhex(octets.slice(4)),
})
const accepted: AuthVerdict = { is: 'accepted', user: 'alice', authenticatorResponse: undefined }
const wrong: AuthVerdict = { is: 'refused', error: 691, retry: true, why: 'the password of "alice" is wrong' }
/** A frame as the bench shows it, of digits spaced for reading. */
const shown = (digits: string) => `${digits.slice(0, 5)}${digits.slice(5).replaceAll(' ', '')}`
const ascii = (text: string) => hex(new TextEncoder().encode(text))
const frames = (seen: readonly Seen[]) => seen.filter((one) => typeof one === 'string')
const events = (seen: readonly Seen[]) =>
  seen.flatMap((one) => (typeof one !== 'string' && one.do === 'report' ? [one.event] : []))
const finished = (seen: readonly Seen[]) => seen.find((one) => typeof one !== 'string' && one.do === 'finished')

const PHASES = ['dead', 'establish', 'authenticate', 'granting', 'network', 'terminate', 'over'] as const
const INPUTS: readonly (readonly [string, PppInput])[] = [
  ['up', { on: 'up' }],
  ['LCP Configure-Request', frame('c021 01 05 000a 0506 aabbccdd')],
  ['LCP Configure-Ack of nothing', frame('c021 02 63 0004')],
  ['LCP Terminate-Request', frame(`c021 05 07 0009 ${ascii('later')}`)],
  ['LCP Terminate-Ack', frame('c021 06 02 0004')],
  ['LCP Echo-Request', frame('c021 09 08 000a aabbccdd 0102')],
  ['LCP unknown code', frame('c021 20 09 0004')],
  ['LCP Code-Reject of Configure-Request', frame('c021 07 01 0005 01')],
  ['LCP Protocol-Reject of IPCP', frame('c021 08 01 0006 8021')],
  ['LCP Protocol-Reject of PAP', frame('c021 08 01 0006 c023')],
  ['LCP cut short', frame('c021 01 05')],
  ['PAP request', frame('c023 01 08 000b 03626f62027077')],
  ['CHAP response', frame('c223 02 01 0004')],
  ['IPCP Configure-Request', frame('8021 01 09 000a 0306 0a63000a')],
  ['IPCP Terminate-Request', frame('8021 05 0a 0004')],
  ['IPV6CP Configure-Request', frame('8057 01 01 000e 010a 0000000000000001')],
  ['CCP Configure-Request', frame('80fd 01 04 000a 1206 00000001')],
  ['an IP packet', frame('0021 45000014')],
  ['verdict', { on: 'verdict', job: 1, verdict: accepted }],
  ['grant', { on: 'grant', job: 2, grant }],
  ['heard', { on: 'heard', inbound: true, user: true }],
  ['heard below', { on: 'heard', inbound: false, user: false, below: true }],
  ['LCP Echo-Reply', frame('c021 0a 02 0008 00000000')],
  ['close', { on: 'close', reason: 'operator' }],
  ['down', { on: 'down' }],
]

describe.each(PHASES)('phase %s', (phase) => {
  test.each(INPUTS)('%s', (_, input) => {
    const bench = serverIn(phase)
    const seen = bench.give(input)
    expect({ seen, phase: bench.link.status().phase }).toMatchSnapshot()
  })

  test('and time', () => {
    const bench = serverIn(phase)
    const seen = bench.wait(3_600_000)
    const last = seen.filter((one) => typeof one !== 'string').map((one) => (one.do === 'report' ? one.event : one))
    expect({ frames: frames(seen), last, phase: bench.link.status().phase }).toMatchSnapshot()
  })
})

describe('Windows 10 logs in', () => {
  test('callback is rejected, CCP and IPV6CP are refused without harm, addresses and one name server given', () => {
    const gw = new LinkBench()
    const up = gw.give({ on: 'up' })
    // MRU 1400, MS-CHAPv2, magic 01010101, PFC, ACFC.
    expect(up).toEqual(['c021 01010017010405780305c2238105060101010107020802'])
    // Its first request: ours is repeated, then its callback option rejected.
    expect(gw.recv(hex(hexVector('ppp/ppp-win10-lcp-confreq')))).toEqual([up[0], 'c021 040000070d0306'])
    expect(gw.recv(hex(hexVector('ppp/ppp-win10-lcp-confreq2')))).toEqual(['c021 020100120104057805061d3b5f7007020802'])
    const challenge = gw.ack(up)
    expect(challenge).toEqual([
      { do: 'report', event: { event: 'ppp.lcp.opened', mru: 1400, authentication: 'MS-CHAPv2' } },
      `c223 0101001710${'02'.repeat(16)}${ascii('gw')}`,
    ])
    expect(gw.recv(hex(hexVector('ppp/ppp-win-lcp-ident1')))).toEqual([
      { do: 'report', event: { event: 'ppp.peer.identified', text: 'MSRASV5.20' } },
    ])
    expect(gw.recv(hex(hexVector('ppp/ppp-win-lcp-ident2')))).toEqual([
      { do: 'report', event: { event: 'ppp.peer.identified', text: 'MSRAS-0-DESKTOP-ABCDEFG' } },
    ])
    const value = `${'aa'.repeat(16)}${'00'.repeat(8)}${'bb'.repeat(24)}00`
    const name = ascii('CORP\\alice')
    expect(gw.recv(`c223 02010040 31 ${value} ${name}`)).toEqual([
      {
        do: 'verify',
        job: 1,
        attempt: {
          kind: 'mschapv2',
          user: 'CORP\\alice',
          userOctets: new TextEncoder().encode('CORP\\alice'),
          authenticatorChallenge: new Uint8Array(16).fill(2),
          peerChallenge: new Uint8Array(16).fill(0xaa),
          ntResponse: new Uint8Array(24).fill(0xbb),
        },
      },
    ])
    const proof = new Uint8Array(20).fill(0xcc)
    expect(gw.verdict(1, { is: 'accepted', user: 'alice', authenticatorResponse: proof })).toEqual([
      `c223 03010038${ascii(`S=${'CC'.repeat(20)} M=Welcome`)}`,
      { do: 'report', event: { event: 'ppp.auth.accepted', user: 'alice', kind: 'MS-CHAPv2', weak: false } },
      { do: 'grant', job: 2, user: 'alice' },
    ])
    // Windows is quick: its IPV6CP, CCP and IPCP are here before the grant.
    expect(gw.recv(hex(hexVector('ppp/ppp-win-ipv6cp-confreq')))).toEqual([])
    expect(gw.recv(hex(hexVector('ppp/ppp-win-ccp-confreq')))).toEqual(['c021 0802001080fd0104000a120600000001'])
    expect(gw.recv(hex(hexVector('ppp/ppp-win-ipcp-confreq')))).toEqual([])
    const granted = gw.grant(2, { ...grant, dns: ['10.99.0.1'] })
    expect(granted).toEqual([
      '8021 0101000a03060a630001',
      shown('c021 08030014 8057 0105000e010a0000000000000001'),
      '8021 04060016820600000000830600000000840600000000',
    ])
    expect(gw.recv('8021 01070010 030600000000 810600000000')).toEqual(['8021 0307001003060a63000a81060a630001'])
    expect(gw.recv('8021 01080010 03060a63000a 81060a630001')).toEqual(['8021 0208001003060a63000a81060a630001'])
    expect(gw.ack(granted, 0x8021)).toEqual([
      {
        do: 'network',
        user: 'alice',
        acfc: true,
        pfc: true,
        mtu: 1400,
        ipv4: { ours: '10.99.0.1', peers: '10.99.0.10', dns: ['10.99.0.1'], nbns: [] },
        ipv6: undefined,
        authentication: 'mschapv2',
      },
      {
        do: 'report',
        event: { event: 'ppp.network.opened', user: 'alice', protocol: 'ipcp', address: '10.99.0.10' },
      },
    ])
    // CCP given up by Windows with error 732: still nothing but a Protocol-Reject.
    expect(gw.recv(hex(hexVector('ppp/ppp-win-ccp-termreq-732')))).toEqual([
      'c021 0804001680fd050800101d3b5f70003ccd74000002dc',
    ])
    expect(gw.recv(hex(hexVector('ppp/ppp-win-lcp-termreq-0')))).toEqual([
      {
        do: 'network',
        user: 'alice',
        acfc: false,
        pfc: false,
        mtu: 1500,
        ipv4: undefined,
        ipv6: undefined,
        authentication: 'mschapv2',
      },
      'c021 06090004',
    ])
    expect(gw.give({ on: 'down' })).toEqual([
      {
        do: 'report',
        event: { event: 'ppp.closed', user: 'alice', byPeer: true, why: 'the peer closed the link: the user hung up' },
      },
      {
        do: 'finished',
        reason: 'the peer closed the link: the user hung up',
        toPeer: '',
        byPeer: true,
        userSees: undefined,
      },
    ])
  })

  test('and is told the number that fits when it is refused', () => {
    const gw = new LinkBench({ authTries: 1 })
    const up = gw.give({ on: 'up' })
    gw.recv(hex(hexVector('ppp/ppp-win10-lcp-confreq2')))
    gw.ack(up)
    gw.recv(hex(hexVector('ppp/ppp-win-lcp-ident1')))
    gw.recv(`c223 0201003b 31 ${'00'.repeat(49)} ${ascii('alice')}`)
    expect(gw.verdict(1, wrong)).toEqual([
      `c223 04010044${ascii(`E=691 R=0 C=${'03'.repeat(16).toUpperCase()} V=3 M=Access denied`)}`,
      {
        do: 'report',
        event: {
          event: 'ppp.auth.refused',
          user: 'alice',
          kind: 'MS-CHAPv2',
          why: 'the password of "alice" is wrong',
          userSees: 691,
        },
      },
      shown('c021 05020010 01010101 003ccd74 000002b3'),
    ])
  })

  test('a mutual authentication that failed is read from its Terminate-Request', () => {
    const gw = serverIn('authenticate')
    gw.recv('c021 05090010 1d3b5f70 003ccd74 0000030a')
    expect(finished(gw.give({ on: 'down' }))).toEqual({
      do: 'finished',
      reason:
        'the peer closed the link: Windows error 778: mutual authentication failed: the server could not prove that it knows the password',
      toPeer: '',
      byPeer: true,
      userSees: 778,
    })
  })
})

describe('other clients', () => {
  test('macOS: no MRU; Apple’s ACSCP is refused without harm', () => {
    const gw = new LinkBench()
    const up = gw.give({ on: 'up' })
    expect(gw.recv(hex(hexVector('ppp/ppp-macos-lcp-confreq')))).toEqual([
      up[0],
      'c021 0201001402060000000005065e6f708107020802',
    ])
    expect(gw.ack(up)[0]).toMatchObject({ event: { mru: 1500 } })
    gw.recv(`c223 0201003b 31 ${'00'.repeat(49)} ${ascii('alice')}`)
    gw.verdict(1, { is: 'accepted', user: 'alice', authenticatorResponse: new Uint8Array(20) })
    const granted = gw.grant(2)
    expect(gw.recv(hex(hexVector('ppp/ppp-macos-acscp-confreq')))).toEqual(['c021 0802000a823501010004'])
    expect(gw.recv(hex(hexVector('ppp/ppp-macos-ipcp-confreq')))).toEqual([
      '8021 0301001603060a63000a81060a630001830609090909',
    ])
    expect(gw.recv('8021 01020016 03060a63000a 81060a630001 830609090909')).toEqual([
      '8021 0202001603060a63000a81060a630001830609090909',
    ])
    expect(gw.ack(granted, 0x8021)[0]).toMatchObject({ do: 'network', mtu: 1500, ipv4: { peers: '10.99.0.10' } })
  })

  test('pppd: the first request was lost before it listened; it is repeated on its own, and both Acks are taken as one', () => {
    const gw = new LinkBench()
    const up = gw.give({ on: 'up' })
    gw.now = 40
    // <mru 1400> <asyncmap 0> <magic> <pcomp> <accomp>
    const request = '010100180104057802060000000005065e6f708107020802'
    expect(gw.recv(`c021${request}`)).toEqual([up[0], `c021 02${request.slice(2)}`])
    expect(gw.ack(up).at(-1)).toMatch(/^c223 01/)
    expect(gw.ack(up)).toEqual([])
    expect(gw.link.status().phase).toBe('authenticate')
  })

  test('pppd: VJ compression is rejected, a fixed address of its own is not its to choose', () => {
    const gw = serverIn('granting')
    const granted = gw.grant(2)
    expect(gw.recv('8021 01010010 0206002d0f01 0306c0a80101')).toEqual(['8021 0401000a0206002d0f01'])
    expect(gw.recv('8021 0102000a 0306c0a80101')).toEqual(['8021 0302000a03060a63000a'])
    expect(gw.recv('8021 0103000a 03060a63000a')).toEqual(['8021 0203000a03060a63000a'])
    expect(gw.ack(granted, 0x8021)[0]).toMatchObject({ ipv4: { peers: '10.99.0.10' } })
  })

  test('a client that insists on its address gets the address option rejected, and the log says it', () => {
    const gw = serverIn('granting')
    gw.grant(2)
    for (let id = 1; id <= 5; id++)
      expect(gw.recv(`8021 010${id}000a 0306c0a80101`)).toEqual([`8021 030${id}000a03060a63000a`])
    expect(gw.recv('8021 0106000a 0306c0a80101')).toEqual(['8021 0406000a0306c0a80101'])
    const seen = gw.wait(60_000)
    expect(events(seen)[0]).toEqual({
      event: 'ppp.network.refused',
      user: 'alice',
      why: 'IPCP: the client insists on the inner address 192.168.1.1 and was given 10.99.0.10: let it take its address from the server',
      userSees: 720,
    })
  })

  test('Android (mtpd starts pppd): an address that it doesn’t ask for is named in a Nak', () => {
    const gw = serverIn('granting')
    const granted = gw.grant(2)
    expect(gw.recv('8021 01010004')).toEqual(['8021 0301000a03060a63000a'])
    for (let id = 2; id <= 5; id++) gw.recv(`8021 010${id}0004`)
    // RFC 1661 §4.6: after Max-Failure nothing is asked for any more; the address is given all the same.
    expect(gw.recv('8021 01060004')).toEqual(['8021 02060004'])
    expect(gw.ack(granted, 0x8021)[0]).toMatchObject({ ipv4: { peers: '10.99.0.10' } })
  })
})

describe('LCP', () => {
  test('RFC 1661 §6: unknown options, callback, multilink, quality are rejected all at once, as received', () => {
    const gw = serverIn('establish')
    const refused = '0408c02500000064 0d0306 110405dc 1206aabb0102 130300 17040001 6302'
    expect(gw.recv(`c021 01010026 01040578 ${refused}`).at(-1)).toBe(shown(`c021 04010022 ${refused}`))
  })

  test('RFC 1661 §6: a known option of a wrong length, a magic number of zero and a tiny MRU are Nak’d', () => {
    const gw = serverIn('establish')
    expect(gw.recv('c021 01010007 010305').at(-1)).toBe('c021 03010008010405dc')
    expect(gw.recv('c021 0102000a 050600000000').at(-1)).toMatch(/^c021 0302000a0506(?!00000000)/)
    expect(gw.recv('c021 01030008 01040040').at(-1)).toBe('c021 0303000801040080')
  })

  test('RFC 1661 §5.3: a Nak has the unacceptable options only, in their order; a boolean with a value is rejected', () => {
    const gw = serverIn('establish')
    expect(gw.recv('c021 01010012 050600000000 0702 01040040 0802').at(-1)).toMatch(
      /^c021 0301000e0506(?!00000000).{8}01040080$/,
    )
    expect(gw.recv('c021 0102000b 01040578 070301').at(-1)).toBe('c021 04020007070301')
  })

  test('a peer that wants us to authenticate ourselves is refused: we are the server', () => {
    expect(serverIn('establish').recv('c021 01010009 0305c22381').at(-1)).toBe('c021 040100090305c22381')
  })

  test('RFC 1661 §6.4: our own magic number again and again is a mirror', () => {
    const gw = serverIn('establish')
    const own = '0101000a050601010101'
    for (let i = 0; i < 4; i++) expect(gw.recv(`c021${own}`).at(-1)).toMatch(/^c021 0301000a0506(?!01010101|00000000)/)
    const seen = gw.recv(`c021${own}`)
    expect(gw.link.status().phase).toBe('terminate')
    expect(frames(seen).at(-1)).toMatch(/^c021 05/)
    expect(finished(gw.wait(10_000))).toMatchObject({
      reason: 'our own LCP packets come back to us: the link is looped back',
    })
  })

  test('RFC 1661 §6.4: a Nak of our magic number leads to another', () => {
    expect(serverIn('establish').recv('c021 0301000a 050601010101')[0]).toContain('050602020202')
  })

  test('RFC 1661 §5.8: where the peer rejected our magic number there is zero', () => {
    const gw = serverIn('establish')
    const anew = gw.recv('c021 0401000a 050601010101')
    expect(anew).toEqual([shown('c021 01020010 01040578 0304c023 0702 0802')])
    gw.recv('c021 01010004')
    gw.ack(anew)
    expect(gw.recv('c021 09080008 aabbccdd')).toEqual(['c021 0a08000800000000'])
  })

  test('RFC 1661 §5.9: a Discard-Request is passed over in every phase', () => {
    for (const phase of PHASES) expect(serverIn(phase).recv('c021 0b010008 aabbccdd')).toEqual([])
  })

  test('RFC 1661 §4.3: a code that the peer rejects is sent no more', () => {
    const gw = serverIn('network')
    expect(gw.recv('c021 07010008 09020004')).toEqual([])
    expect(gw.wait(21_000)).toEqual([{ do: 'ask' }])
    gw.recv('c021 07020008 0a020004')
    expect(gw.recv('c021 09080008 aabbccdd')).toEqual([])
    gw.recv('c021 07030008 08020004')
    expect(gw.recv('1234 00')).toEqual([])
  })

  test('RFC 1661 §6.1: 1,500 octets are taken though fewer were asked for; what we answer fits the peer’s MRU', () => {
    const echo = `c021 090805dc aabbccdd ${'ab'.repeat(1492)}`
    expect(serverIn('network').recv(echo)).toEqual([`c021 0a0805dc01010101${'ab'.repeat(1492)}`])
    const gw = serverIn('establish')
    const anew = gw.recv('c021 01010008 01040080')
    gw.ack(anew)
    expect(gw.recv(echo)).toEqual([`c021 0a08008001010101${'ab'.repeat(120)}`])
    expect(gw.recv(`c021 200905dc ${'ab'.repeat(1496)}`)).toEqual([`c021 0702007c200905dc${'ab'.repeat(116)}`])
  })

  test('RFC 1661 §5.8: an Echo-Request with our own magic number is a mirror too', () => {
    const gw = serverIn('network')
    gw.recv('c021 09080008 01010101')
    expect(gw.link.status().phase).toBe('terminate')
  })

  test('echo is answered with our magic number and the data that came', () => {
    expect(serverIn('network').recv('c021 0908000c 00000000 01020304')).toEqual(['c021 0a08000c0101010101020304'])
  })

  test('the peer names another kind: the best that is allowed and named is taken', () => {
    const gw = new LinkBench({ authentication: ['mschapv2', 'mschap', 'chap', 'pap'] })
    gw.give({ on: 'up' })
    expect(gw.recv('c021 0301000d 0304c023 0305c22305')).toEqual([
      'c021 01020017010405780305c2230505060101010107020802',
    ])
  })

  test('a kind that is not allowed is named: our next one is tried, then none is left', () => {
    const gw = new LinkBench({ authentication: ['mschapv2', 'chap'] })
    gw.give({ on: 'up' })
    expect(gw.recv('c021 03010008 0304c227')[0]).toContain('0305c22305')
    const seen = gw.recv('c021 03020008 0304c023')
    expect(events(seen)).toEqual([
      {
        event: 'ppp.auth.impossible',
        why: 'the client does not agree to any PPP authentication allowed here (MS-CHAPv2, CHAP-MD5); it proposes EAP, PAP: allow one of ours in the client, or its own under remoteAccess.authentication',
        userSees: 734,
      },
    ])
    expect(gw.link.status().phase).toBe('terminate')
  })

  test('a client that rejects authentication itself', () => {
    const gw = new LinkBench()
    gw.give({ on: 'up' })
    expect(events(gw.recv('c021 04010009 0305c22381'))).toEqual([
      {
        event: 'ppp.auth.impossible',
        why: 'the client refuses to authenticate itself by PPP (asked for: MS-CHAPv2): enter a user name and password there, and allow one of these kinds',
        userSees: 734,
      },
    ])
  })

  test('a client that never answers', () => {
    const gw = new LinkBench()
    gw.give({ on: 'up' })
    const seen = gw.wait(60_000)
    expect(frames(seen)).toHaveLength(9)
    expect(finished(seen)).toEqual({
      do: 'finished',
      reason: 'the peer never answered LCP',
      toPeer: 'No agreement on LCP options',
      byPeer: false,
      userSees: 718,
    })
    expect(gw.link.deadline).toBeUndefined()
  })

  test('RFC 1661 §5.5: a Terminate-Request with words', () => {
    const gw = serverIn('network')
    gw.recv(`c021 05070010 ${ascii('User request')}`)
    // RFC 1661 §3.7: not before a restart time has passed.
    expect(gw.wait(2999)).toEqual([])
    expect(finished(gw.wait(1))).toEqual({
      do: 'finished',
      reason: 'the peer closed the link: "User request"',
      toPeer: '',
      byPeer: true,
      userSees: undefined,
    })
  })

  test('RFC 1661 §3.4: LCP negotiated anew brings authentication and network down, and both begin again', () => {
    const gw = serverIn('network')
    const anew = gw.recv('c021 0105000a 0506aabbccdd')
    expect(anew[0]).toMatchObject({ do: 'network', ipv4: undefined })
    expect(frames(anew)).toEqual([
      shown('c021 01020016 01040578 0304c023 050603030303 0702 0802'),
      shown('c021 0205000a 0506aabbccdd'),
    ])
    expect(gw.link.status().phase).toBe('establish')
    gw.ack(anew)
    expect(gw.link.status().phase).toBe('authenticate')
    expect(gw.verdict(1, accepted)).toEqual([])
    expect(gw.recv('c023 01070010 05 616c696365 05 6172626f72')).toMatchObject([{ do: 'verify', job: 3 }])
  })

  test('the last acknowledged request once more, its Ack was lost: acknowledged again, nothing comes down', () => {
    const gw = serverIn('network')
    expect(gw.recv('c021 01010004')).toEqual(['c021 02010004'])
    expect(gw.link.status().phase).toBe('network')
  })
})

describe('the network phase', () => {
  test('RFC 1661 §3.5: network protocols before authentication has ended are passed over', () => {
    const gw = serverIn('authenticate')
    for (const octets of ['8021 01010004', '0021 45', '80fd 01010004', '8057 01010004', '1234 00'])
      expect(gw.recv(octets)).toEqual([])
  })

  test('RFC 1661 §3.7: IPCP terminated by the peer doesn’t end the link, and may come again', () => {
    const gw = serverIn('network')
    expect(gw.recv('8021 05090004')).toEqual([
      expect.objectContaining({ do: 'network', ipv4: undefined }),
      '8021 06090004',
    ])
    gw.wait(3000)
    expect(gw.link.status().phase).toBe('network')
    const again = gw.recv('8021 010a000a 03060a63000a')
    expect(frames(again).map((one) => one.slice(0, 7))).toEqual(['8021 01', '8021 02'])
    expect(gw.ack(again, 0x8021)[0]).toMatchObject({ do: 'network', ipv4: { peers: '10.99.0.10' } })
  })

  test('but a link that stays without any network protocol is closed after 30 s', () => {
    const gw = serverIn('network')
    gw.recv('8021 05090004')
    expect(finished(gw.wait(60_000))).toMatchObject({ reason: 'no network protocol came up', userSees: 720 })
  })

  test('IPV6CP rejected, or terminated, by the peer hurts nothing', () => {
    for (const octets of ['c021 08010008 8057 0101', '8057 05010004']) {
      const gw = new LinkBench({ authentication: ['pap'], ipv6: true })
      const up = gw.give({ on: 'up' })
      gw.recv('c021 01010004')
      gw.ack(up)
      gw.recv('c023 01070010 05 616c696365 05 6172626f72')
      gw.verdict(1, accepted)
      const granted = gw.grant(2)
      expect(frames(granted).map((one) => one.slice(0, 7))).toEqual(['8021 01', '8057 01'])
      gw.recv(octets)
      gw.recv('8021 0101000a 03060a63000a')
      expect(gw.ack(granted, 0x8021)[0]).toMatchObject({ do: 'network', ipv4: { peers: '10.99.0.10' } })
      gw.wait(25_000)
      expect(gw.link.status().phase).toBe('network')
    }
  })

  test('IPV6CP: identifiers that are zero or ours are replaced (RFC 5072 §4.1)', () => {
    const gw = new LinkBench({ authentication: ['pap'], ipv6: true })
    const up = gw.give({ on: 'up' })
    gw.recv('c021 01010004')
    gw.ack(up)
    gw.recv('c023 01070010 05 616c696365 05 6172626f72')
    gw.verdict(1, accepted)
    const granted = gw.grant(2)
    expect(gw.recv('8057 0101000e 010a0000000000000000')[0]).toMatch(/^8057 0301000e010a/)
    expect(gw.recv('8057 0102000e 010a0000000000000001')[0]).toMatch(/^8057 0302000e010a(?!0000000000000001)/)
    expect(gw.recv('8057 01030004')[0]).toMatch(/^8057 0303000e010a/)
    expect(gw.recv(hex(hexVector('ppp/ppp-win-ipv6cp-confreq')).replace(/01$/, '02'))).toEqual([
      '8057 0205000e010a0000000000000002',
    ])
    expect(gw.ack(granted, 0x8057)).toEqual([
      expect.objectContaining({
        do: 'network',
        ipv6: { ours: unhex('0000000000000001'), peers: unhex('0000000000000002') },
      }),
      {
        do: 'report',
        event: { event: 'ppp.network.opened', user: 'alice', protocol: 'ipv6cp', address: '0000:0000:0000:0002' },
      },
    ])
  })

  test('RFC 1661 §3.6: an IP packet while IPCP is not open is passed over', () => {
    const packet = '0021 4500001400000000'
    const gw = serverIn('granting')
    expect(gw.recv(packet)).toEqual([])
    gw.grant(2)
    expect(gw.recv(packet)).toEqual([])
    const closed = serverIn('network')
    closed.recv('8021 05090004')
    expect(closed.recv(packet)).toEqual([])
  })

  test('RFC 1332 §3.1: the deprecated IP-Addresses is rejected, and never asked for', () => {
    const gw = serverIn('granting')
    expect(gw.grant(2)).toEqual(['8021 0101000a03060a630001'])
    expect(gw.recv('8021 0101000e 010a 0a63000a 0a630001')).toEqual(['8021 0401000e010a0a63000a0a630001'])
  })

  test('RFC 1661 §5.7: a protocol that the peer rejects is sent no more, not even to end it, until the peer speaks it', () => {
    const refused = {
      do: 'report',
      event: { event: 'ppp.network.refused', user: 'alice', why: 'IPCP: the peer does not speak it', userSees: 720 },
    }
    const early = serverIn('granting')
    early.grant(2)
    expect(early.recv('c021 08010008 8021 0101')).toEqual([refused])
    expect(early.wait(15_000)).toEqual([])
    const gw = serverIn('network')
    const closed = expect.objectContaining({ do: 'network', ipv4: undefined })
    expect(gw.recv('c021 08010008 8021 0101')).toEqual([closed, refused])
    expect(gw.wait(15_000)).toEqual([])
    const again = gw.recv('8021 010a000a 03060a63000a')
    expect(frames(again).map((one) => one.slice(0, 7))).toEqual(['8021 01', '8021 02'])
    expect(gw.ack(again, 0x8021)[0]).toMatchObject({ do: 'network', ipv4: { peers: '10.99.0.10' } })
  })

  test('RFC 1661 §5.7: a Protocol-Reject shows what was rejected, cut to fit', () => {
    const [reject] = serverIn('network').recv(`1234${'ab'.repeat(1000)}`)
    expect(reject).toBe(`c021 0802007e1234${'ab'.repeat(120)}`)
  })

  test('no address to give', () => {
    const gw = serverIn('granting')
    const seen = gw.grant(2, { is: 'refused', reason: 'the address pool is exhausted' })
    expect(seen).toEqual([
      {
        do: 'report',
        event: { event: 'ppp.network.refused', user: 'alice', why: 'the address pool is exhausted', userSees: 720 },
      },
      `c021 05020016${ascii('No address to give')}`,
    ])
    expect(finished(gw.recv('c021 06020004'))).toEqual({
      do: 'finished',
      reason: 'the address pool is exhausted',
      toPeer: 'No address to give',
      byPeer: false,
      userSees: 720,
    })
  })

  test('the session limit, which negotiating anew doesn’t lengthen', () => {
    const gw = serverIn('granting')
    gw.grant(2, { ...grant, sessionSeconds: 25 })
    gw.now = 20_000
    const anew = gw.recv('c021 0105000a 0506aabbccdd')
    gw.ack(anew)
    gw.recv('c023 01070010 05 616c696365 05 6172626f72')
    gw.verdict(3, accepted)
    gw.grant(4, { ...grant, sessionSeconds: 25 })
    expect(events(gw.wait(5_000))).toContainEqual({ event: 'ppp.limit.reached', user: 'alice', limit: 'session' })
    expect(gw.link.status().phase).toBe('terminate')
  })

  test('the idle limit counts packets of the user only', () => {
    const gw = serverIn('granting')
    const granted = gw.grant(2, { ...grant, idleSeconds: 60 })
    gw.recv('8021 0101000a 03060a63000a')
    gw.ack(granted, 0x8021)
    const seen = Array.from({ length: 10 }, (_, i) => {
      const found = gw.wait(19_000)
      gw.give({ on: 'heard', inbound: true, user: i < 5 })
      return events(found)
    })
    expect(seen.flat()[0]).toEqual({ event: 'ppp.limit.reached', user: 'alice', limit: 'idle' })
    expect(seen.findIndex((found) => found.length > 0)).toBe(8)
  })
})

describe('is the peer there?', () => {
  test('asked after 18 to 20 quiet seconds, three times 10 s apart; gone after 48 to 50', () => {
    const gw = serverIn('network')
    const seen = gw.wait(60_000)
    expect(frames(seen)).toEqual([
      'c021 0902000801010101',
      'c021 0903000801010101',
      'c021 0904000801010101',
      `c021 05050017${ascii('Peer not responding')}`,
    ])
    expect(events(seen)).toEqual([
      { event: 'ppp.peer.silent', quietSeconds: 49 },
      { event: 'ppp.closed', user: 'alice', byPeer: false, why: 'the peer was silent for 49 s' },
    ])
  })

  test('any packet from it will do for an answer', () => {
    for (const input of [frame('c021 0a02000800000000'), { on: 'heard', inbound: true, user: false }] as PppInput[]) {
      const gw = serverIn('network')
      gw.wait(45_000)
      gw.give(input)
      expect(frames(gw.wait(17_999))).toEqual([])
    }
  })

  test('one that answers no echo and whose host is there keeps its link; the layer below is asked from then on', () => {
    const gw = serverIn('network')
    const asked: string[] = []
    for (let second = 0; second < 120; second++)
      for (const one of gw.wait(1000)) {
        asked.push(typeof one === 'string' ? 'echo' : one.do)
        if (typeof one !== 'string' && one.do === 'ask')
          gw.give({ on: 'heard', inbound: false, user: false, below: true })
      }
    expect([asked, gw.link.status().phase]).toEqual([
      ['echo', 'echo', 'ask', 'echo', 'ask', 'ask', 'ask', 'ask', 'ask'],
      'network',
    ])
  })

  test('one that answered an echo once and does no more is gone, whatever its host says', () => {
    const gw = serverIn('network')
    gw.wait(20_000)
    gw.recv('c021 0a02000800000000')
    const asked: string[] = []
    for (let second = 0; second < 60; second++)
      for (const one of gw.wait(1000)) {
        asked.push(typeof one === 'string' ? 'frame' : one.do === 'report' ? one.event.event : one.do)
        gw.give({ on: 'heard', inbound: false, user: false, below: true })
      }
    const end = ['ppp.peer.silent', 'network', 'frame', 'ppp.closed', 'finished']
    expect(asked).toEqual(['frame', 'frame', 'frame', ...end])
  })

  test('our own packets are no sign of life', () => {
    const gw = serverIn('network')
    gw.wait(45_000)
    gw.give({ on: 'heard', inbound: false, user: true })
    expect(finished(gw.wait(10_000))).toBeDefined()
  })
})

describe('authentication', () => {
  test('that is not finished in time', () => {
    const gw = serverIn('authenticate')
    const seen = gw.wait(70_000)
    expect(events(seen)[0]).toEqual({
      event: 'ppp.auth.refused',
      user: '',
      kind: 'PAP',
      why: 'the client did not finish authenticating within 60 s',
      userSees: 718,
    })
    expect(finished(seen)).toMatchObject({ userSees: 718 })
  })

  test('RFC 1994 §4.1: a Response repeated in the network phase gets its Success again, until a network protocol is open', () => {
    const gw = new LinkBench({ authentication: ['chap'] })
    const up = gw.give({ on: 'up' })
    gw.recv('c021 01010004')
    gw.ack(up)
    const response = `c223 0201001a 10 ${'aa'.repeat(16)} ${ascii('alice')}`
    gw.recv(response)
    const success = `c223 0301000b${ascii('Welcome')}`
    expect(frames(gw.verdict(1, accepted))).toEqual([success])
    expect(gw.recv(response)).toEqual([success])
    const granted = gw.grant(2)
    expect(gw.recv(response)).toEqual([success])
    gw.recv('8021 0101000a 03060a63000a')
    gw.ack(granted, 0x8021)
    expect(gw.recv(response)).toEqual([])
  })

  test('failures count for the link: negotiating LCP anew gives no further tries', () => {
    const gw = new LinkBench({ authTries: 2 })
    const up = gw.give({ on: 'up' })
    gw.recv('c021 01010004')
    gw.ack(up)
    gw.recv(`c223 0201003b 31 ${'00'.repeat(49)} ${ascii('alice')}`)
    expect(gw.verdict(1, wrong)).toHaveLength(2)
    gw.ack(gw.recv('c021 01020004'))
    gw.recv(`c223 0201003b 31 ${'00'.repeat(49)} ${ascii('alice')}`)
    gw.verdict(2, wrong)
    expect(gw.link.status().phase).toBe('terminate')
  })

  test('what only the operator may know is told to nobody else', () => {
    for (const why of ['there is no user "mallory"', 'the password of "alice" is wrong']) {
      const gw = serverIn('authenticate')
      gw.recv('c023 0107000b 03 626f62 02 7077')
      const seen = gw.verdict(1, { is: 'refused', error: 691, retry: true, why })
      expect(frames(seen)).toEqual([
        `c023 03070012${'0d'}${ascii('Access denied')}`,
        `c021 05020019${ascii('Authentication failed')}`,
      ])
      expect(finished(gw.recv('c021 06020004'))).toEqual({
        do: 'finished',
        reason: `authentication of "bob" refused: ${why}`,
        toPeer: 'Authentication failed',
        byPeer: false,
        userSees: 691,
      })
    }
  })

  test('a user name with control characters is shown escaped', () => {
    const gw = serverIn('authenticate')
    gw.recv('c023 0107000b 03 1b5b4a 02 7077')
    expect(events(gw.verdict(1, wrong))).toMatchObject([{ user: '\\x1b[J' }])
  })

  test('an endless renegotiation ends', () => {
    const gw = serverIn('authenticate')
    let id = 2
    const seen: Seen[] = []
    while (finished(seen) === undefined && gw.now < 600_000) {
      seen.push(...gw.wait(20_000))
      if (gw.link.status().phase === 'authenticate') gw.ack(gw.recv(`c021 01${hex(Uint8Array.of(id++))}0004`))
    }
    expect(finished(seen)).toMatchObject({ reason: 'the peer kept negotiating and never authenticated itself' })
  })

  test('the peer rejects the protocol that it agreed to', () => {
    const gw = serverIn('authenticate')
    expect(events(gw.recv('c021 08010006 c023'))).toEqual([
      { event: 'ppp.auth.impossible', why: 'the peer agreed to PAP and then rejected its protocol', userSees: 734 },
    ])
  })

  test('reports that a peer can cause at will are bounded', () => {
    const gw = serverIn('authenticate')
    const seen = Array.from({ length: 100 }, () => gw.recv('c023 ff')).flat()
    expect(events(seen)).toHaveLength(8)
  })
})

describe('the client’s role', () => {
  const client = () => new LinkBench({ ...clientPolicy, ipv6: false })

  test('EAP is answered with a Nak that names MS-CHAPv2, as macOS does', () => {
    const pc = client()
    pc.give({ on: 'up' })
    expect(pc.recv('c021 01010008 0304c227').at(-1)).toBe('c021 030100090305c22381')
  })

  test('a server that insists on EAP', () => {
    const pc = client()
    pc.give({ on: 'up' })
    for (let id = 1; id <= 5; id++) pc.recv(`c021 010${id}0008 0304c227`)
    expect(events(pc.recv('c021 01060008 0304c227'))).toEqual([
      {
        event: 'ppp.auth.impossible',
        why: 'the server demands EAP as PPP authentication, and we agree to MS-CHAPv2, MS-CHAP, CHAP-MD5, PAP only',
        userSees: 734,
      },
    ])
  })

  test('without credentials a demand for authentication is rejected', () => {
    const pc = new LinkBench({ ...clientPolicy, credentials: undefined })
    pc.give({ on: 'up' })
    expect(pc.recv('c021 01010009 0305c22381').at(-1)).toBe('c021 040100090305c22381')
  })

  test('a server that asks for nothing: straight to the network, 0.0.0.0 and name servers asked for', () => {
    const pc = client()
    const up = pc.give({ on: 'up' })
    pc.recv('c021 01010004')
    const open = pc.ack(up)
    expect(open).toEqual([
      { do: 'report', event: { event: 'ppp.lcp.opened', mru: 1500, authentication: 'none' } },
      '8021 01010016030600000000810600000000830600000000',
    ])
    expect(pc.recv('8021 0401000a 830600000000')).toEqual(['8021 01020010030600000000810600000000'])
    const named = pc.recv('8021 03020010 03060a630063 81060a630001')
    expect(named).toEqual(['8021 0103001003060a63006381060a630001'])
    expect(pc.recv('8021 0107000a 03060a630001')).toEqual(['8021 0207000a03060a630001'])
    expect(pc.ack(named, 0x8021)[0]).toMatchObject({
      do: 'network',
      user: 'alice',
      ipv4: { ours: '10.99.0.99', peers: '10.99.0.1', dns: ['10.99.0.1'], nbns: [] },
      authentication: undefined,
    })
    expect(pc.link.status().address).toBe('10.99.0.99')
  })

  test('a server that gives no address', () => {
    const pc = client()
    const up = pc.give({ on: 'up' })
    pc.recv('c021 01010004')
    const open = pc.ack(up)
    pc.recv('8021 0107000a 03060a630001')
    expect(events(pc.ack(open, 0x8021))).toEqual([
      { event: 'ppp.network.refused', user: 'alice', why: 'IPCP: the server gave no address', userSees: 720 },
    ])
    expect(finished(pc.wait(60_000))).toMatchObject({ reason: 'no network protocol came up' })
  })

  test('RRAS as server: multilink options and its own demands are rejected, MS-CHAPv2 taken', () => {
    const pc = client()
    pc.give({ on: 'up' })
    expect(pc.recv('c021 0100001e 01040578 0305c22381 05061d3b5f70 1104064e 130300 1704000f').at(-1)).toBe(
      'c021 0400000f1104064e1303001704000f',
    )
  })
})

test('inputs in the wrong phase change nothing', () => {
  const gw = serverIn('over')
  const before = gw.link.status()
  for (const [, input] of INPUTS) expect(gw.give(input)).toEqual([])
  expect(gw.link.status()).toEqual(before)
})

test('a server without any authentication is a mistake of ours', () => {
  expect(() => new LinkBench({ authentication: [] })).toThrow('a server must ask for some authentication')
})
