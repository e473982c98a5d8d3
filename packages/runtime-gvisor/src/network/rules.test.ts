import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatRange, isReachableByGuests, parseCidrs } from './cidr.ts'
import { OPEN_POLICY, policyRules, serverRules } from './rules.ts'

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

describe('rules', () => {
  it('let names be asked of a resolver among the metadata addresses, and nothing else there', () => {
    const rules = policyRules(OPEN_POLICY, { dns: ['169.254.169.253', '127.0.0.1'] }).split('\n')
    expect(rules).toEqual([
      'ip daddr { 169.254.169.253 } meta l4proto { tcp, udp } th dport 53 accept',
      'ip daddr 169.254.0.0/16 goto refuse',
      'accept',
    ])
  })

  it('of a closed network refuse everything, but still check what they were given', () => {
    expect(policyRules({ internet: false, allow: ['1.2.3.4'], deny: [] }, { dns: ['9.9.9.9'] })).toBe('goto refuse')
    expect(() => policyRules({ internet: false, allow: ['x'], deny: [] }, { dns: [] })).toThrow(/network\.allow\[0\]/)
  })

  it('bound the length of lists', () => {
    const deny = Array.from({ length: 1_001 }, () => '1.2.3.4')
    expect(() => policyRules({ ...OPEN_POLICY, deny }, { dns: [] })).toThrow(/at most 1000/)
  })

  it('are what nft takes, also in hundreds', () => {
    const policy = {
      internet: true,
      allow: Array.from({ length: 300 }, (_, index) => `10.${index % 256}.${index >> 8}.0/25`),
      deny: ['10.0.0.1', '10.0.0.0/30', '2001:db8::/32'],
    }
    const rules = policyRules(policy, { dns: ['9.9.9.9', '9.9.9.9', '8.8.8.8'] })
    // Checks everything but the devices, which a check needs to exist: the loopback interface stands in.
    const text = serverRules(63, [[64_999, rules]]).replaceAll(/device "sp63v64999"/g, 'device "lo"')
    execFileSync('nft', ['--check', '-f', '-'], { input: text })
  })
})
