import { execFileSync } from 'node:child_process'
import { type NetworkPolicy, OPEN_NETWORK } from '@spawnpoint/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatRange, isReachableByGuests, parseCidrs } from './cidr.ts'
import { openedPorts, policyRules, serverRules, slotRules } from './rules.ts'

describe('CIDRs', () => {
  it('are joined where they touch or overlap', () => {
    const joined = parseCidrs(['10.0.1.0/24', '10.0.0.0/24', '10.0.0.7', '192.168.1.9/16', '1.2.3.4/32'], 'p').map(
      formatRange,
    )
    expect(joined).toEqual(['1.2.3.4', '10.0.0.0-10.0.1.255', '192.168.0.0-192.168.255.255'])
    expect(parseCidrs(['0.0.0.0/0', '9.9.9.9'], 'p').map(formatRange)).toEqual(['0.0.0.0-255.255.255.255'])
    expect(parseCidrs(['2001:db8::/32', '::1'], 'p')).toEqual([])
  })

  it.each([
    '',
    'x',
    '1.2.3',
    '1.2.3.4/33',
    '1.2.3.4/',
    '1.2.3.4/8/8',
    '1.2.3.4/-1',
    '1.2.3.4/1e1',
    '::/129',
    '1.2.3.4; drop',
    '01.2.3.4/8',
  ])('like %j are refused, with their place named', (text) => {
    expect(() => parseCidrs(['10.0.0.0/8', text], 'network.deny')).toThrow(/network\.deny\[1\]/)
  })

  it('keep exactly the addresses they had, in rising order and apart', () => {
    const cidr = fc
      .tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255), fc.integer({ min: 0, max: 32 }))
      .map(([a, b, c, d, length]) => `${a}.${b}.${c}.${d}/${length}`)
    fc.assert(
      fc.property(fc.array(cidr, { maxLength: 12 }), fc.nat(0xffffffff), (cidrs, address) => {
        const ranges = parseCidrs(cidrs, 'p')
        const within = (all: typeof ranges) => all.some(({ first, last }) => first <= address && address <= last)
        expect(within(ranges)).toBe(within(cidrs.flatMap((one) => parseCidrs([one], 'p'))))
        for (const [index, range] of ranges.entries()) {
          const next = ranges[index + 1]
          if (next) expect(range.last + 1).toBeLessThan(next.first)
        }
      }),
    )
  })

  it('of a loopback resolver are none that guests reach', () => {
    expect(['127.0.0.53', '::1', '0.0.0.0', '9.9.9.9', 'dns'].filter(isReachableByGuests)).toEqual(['9.9.9.9'])
  })
})

const PROXY = { address: '100.127.255.254', httpPort: 8080, tlsPort: 8443, namesUdpPort: 5353, namesTcpPort: 5354 }

function rulesOf(change: Partial<NetworkPolicy>, dns: string[] = []) {
  const { forward, proxied } = policyRules({ ...OPEN_NETWORK, ...change }, { dns, proxy: PROXY })
  return { forward: forward.split('\n'), proxied: proxied.split('\n') }
}

describe('rules', () => {
  it('let names be asked of a resolver among the metadata addresses, and nothing else there', () => {
    expect(rulesOf({}, ['169.254.169.253', '127.0.0.1'])).toEqual({
      forward: [
        'ip daddr { 169.254.169.253 } meta l4proto { tcp, udp } th dport 53 accept',
        'ip daddr { 169.254.0.0/16, 168.63.129.16, 192.0.0.192 } goto refuse',
        'accept',
      ],
      proxied: [''],
    })
  })

  it('of a closed network refuse everything, but still check what they were given', () => {
    const closed = { internet: false, allow: ['1.2.3.4'], allowDomains: ['example.com'] }
    expect(rulesOf(closed, ['9.9.9.9'])).toEqual({ forward: ['goto refuse'], proxied: [''] })
    expect(() => rulesOf({ internet: false, allow: ['x'] })).toThrow(/network\.allow\[0\]/)
  })

  it('are of one TCP port where an address names it', () => {
    const change = { allow: ['1.2.3.4/32:22', '10.0.0.0/8'], deny: ['9.9.9.9:25'], allowDomains: ['example.com'] }
    const { forward, proxied } = rulesOf(change)
    expect(forward).toEqual([
      'ip daddr { 9.9.9.9 } tcp dport 25 goto refuse',
      'ip daddr { 1.2.3.4 } tcp dport 22 ip daddr != { 169.254.0.0/16, 168.63.129.16, 192.0.0.192 } accept',
      'ip daddr != { 10.0.0.0-10.255.255.255 } goto refuse',
      'ip daddr { 169.254.0.0/16, 168.63.129.16, 192.0.0.192 } goto refuse',
      'accept',
    ])
    expect(proxied.slice(0, 3)).toEqual([
      'ip daddr { 9.9.9.9 } tcp dport 25 return',
      'ip daddr { 10.0.0.0-10.255.255.255 } return',
      'ip daddr { 1.2.3.4 } tcp dport 22 return',
    ])
    expect(rulesOf({ ...change, precedence: 'allow' }).proxied.at(-1)).toBe(
      'ip daddr { 9.9.9.9 } tcp dport 25 tcp dport 443 dnat ip to 100.127.255.254:8443',
    )
  })

  it('take over questions for names where one has a port of its own, and let through what was opened', () => {
    const rules = policyRules({ ...OPEN_NETWORK, allowDomains: ['db.test:5432'] }, { dns: [], proxy: PROXY })
    expect(rules.opensPorts).toBe(true)
    expect(rules.proxied).toMatch(/^udp dport 53 dnat ip to 100.127.255.254:5353\n/)
    const [, first] = slotRules(3, 7, rules)
    expect(first).toBe(
      'add rule inet spawnpoint_3 slot_7 ip daddr . tcp dport @opened_7 update @opened_7 { ip daddr . tcp dport timeout 1h } accept',
    )
    const other = policyRules({ ...OPEN_NETWORK, allowDomains: ['a.test', 'a.test:443'] }, { dns: [], proxy: PROXY })
    expect(other.opensPorts).toBe(false)
  })

  it('bound the length of lists', () => {
    expect(() => rulesOf({ deny: Array.from({ length: 1_001 }, () => '1.2.3.4') })).toThrow(/at most 1000/)
  })

  it('except from a denial what is allowed, where that has precedence', () => {
    const { forward, proxied } = rulesOf({ precedence: 'allow', allow: ['1.2.3.4'], deny: ['0.0.0.0/0'] }, ['9.9.9.9'])
    expect(forward).toEqual([
      'ip daddr { 1.2.3.4 } ip daddr != { 169.254.0.0/16, 168.63.129.16, 192.0.0.192 } accept',
      'ip daddr { 0.0.0.0-255.255.255.255 } goto refuse',
      'ip daddr { 9.9.9.9 } meta l4proto { tcp, udp } th dport 53 accept',
      'ip daddr { 169.254.0.0/16, 168.63.129.16, 192.0.0.192 } goto refuse',
      'accept',
    ])
    expect(proxied).toEqual([''])
    // Nothing is denied that a name could except.
    expect(rulesOf({ precedence: 'allow', allowDomains: ['example.com'] }).proxied).toEqual([''])
  })

  it('send everything that has a name to the proxy where names are denied, and the questions for them', () => {
    const named = { denyDomains: ['evil.test'], deny: ['5.6.7.8'] }
    const { forward, proxied } = rulesOf(named, ['9.9.9.9'])
    expect(forward).toEqual([
      'udp dport 443 goto refuse',
      'ip daddr { 5.6.7.8 } goto refuse',
      'ip daddr { 9.9.9.9 } meta l4proto { tcp, udp } th dport 53 accept',
      'ip daddr { 169.254.0.0/16, 168.63.129.16, 192.0.0.192 } goto refuse',
      'accept',
    ])
    expect(proxied).toEqual([
      expect.stringMatching(/^udp dport 53 dnat ip to /),
      expect.stringMatching(/^tcp dport 53 dnat ip to /),
      'ip daddr { 5.6.7.8 } return',
      'tcp dport 80 dnat ip to 100.127.255.254:8080',
      'tcp dport 443 dnat ip to 100.127.255.254:8443',
    ])
    expect(rulesOf({ ...named, internet: false }, ['9.9.9.9'])).toEqual({ forward: ['goto refuse'], proxied: [''] })
  })

  it('shut a port that a denied name has, at every address that no allowed name opens it for', () => {
    const { forward, proxied } = rulesOf({ denyDomains: ['db.test:5432', 'mail.test:25', 'db.test:25'] }, ['9.9.9.9'])
    expect(forward[0]).toBe('tcp dport { 5432, 25 } goto refuse')
    expect(forward.at(-1)).toBe('accept')
    // What goes to ports 80 and 443 need not be looked at.
    expect(proxied).toEqual([''])
    expect(rulesOf({ denyDomains: ['a.test:80', 'b.test:22'] }, []).forward.slice(0, 2)).toEqual([
      'udp dport 443 goto refuse',
      'tcp dport { 22 } goto refuse',
    ])
    const opening = { ...OPEN_NETWORK, denyDomains: ['db.test:5432'], allowDomains: ['mine.test:5432'] }
    const rules = policyRules(opening, { dns: [], proxy: PROXY })
    const lines = slotRules(0, 1, rules).filter((line) => line.includes('slot_1'))
    expect(lines.findIndex((line) => line.includes('@opened_1'))).toBeLessThan(
      lines.findIndex((line) => line.includes('tcp dport { 5432 }')),
    )
  })

  it('send to the proxy what no list of addresses decides', () => {
    const named = { allowDomains: ['example.com'], allow: ['1.2.3.4'], deny: ['5.6.7.8'] }
    const { forward, proxied } = rulesOf(named, ['9.9.9.9'])
    expect(forward).toEqual([
      'ip daddr { 5.6.7.8 } goto refuse',
      'ip daddr { 9.9.9.9 } meta l4proto { tcp, udp } th dport 53 accept',
      'ip daddr != { 1.2.3.4 } goto refuse',
      'ip daddr { 169.254.0.0/16, 168.63.129.16, 192.0.0.192 } goto refuse',
      'accept',
    ])
    expect(proxied).toEqual([
      'ip daddr { 5.6.7.8 } return',
      'ip daddr { 1.2.3.4 } return',
      'tcp dport 80 dnat ip to 100.127.255.254:8080',
      'tcp dport 443 dnat ip to 100.127.255.254:8443',
    ])
  })

  it.each(['deny', 'allow'] as const)('are what nft takes, also in hundreds, with precedence %s', (precedence) => {
    const policy: NetworkPolicy = {
      internet: true,
      allow: ['1.2.3.4:22', ...Array.from({ length: 300 }, (_, index) => `10.${index % 256}.${index >> 8}.0/25`)],
      deny: ['10.0.0.1', '10.0.0.0/30', '2001:db8::/32'],
      allowDomains: ['example.com', 'db.example.com:5432'],
      denyDomains: ['evil.test', 'evil.test:25', 'db.evil.test:5432'],
      precedence,
    }
    const rules = policyRules(policy, {
      dns: ['9.9.9.9', '9.9.9.9', '8.8.8.8'],
      proxy: PROXY,
      intercepts: true,
    })
    // Checks everything but the devices, which a check needs to exist: the loopback interface stands in.
    const text = serverRules(63, [[64_999, rules]]).replaceAll(/device "sp63v64999"/g, 'device "lo"')
    const opened = openedPorts(63, 64_999, '192.0.2.1', [22, 5432])
    execFileSync('nft', ['--check', '-f', '-'], { input: [text, ...opened].join('\n') })
  })
})
