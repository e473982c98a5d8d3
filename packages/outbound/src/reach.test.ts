import { describe, expect, it } from 'vitest'
import { allows, type Reach, reachOf } from './reach.ts'

describe('how far an address is', () => {
  const addresses: [string, Reach | null][] = [
    ['1.2.3.4', 'public'],
    ['2606:4700::1', 'public'],
    ['10.1.2.3', 'private'],
    ['172.31.255.255', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.0.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd12::1', 'private'],
    ['127.0.0.1', 'loopback'],
    ['127.9.9.9', 'loopback'],
    ['::1', 'loopback'],
    ['[::1]', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:10.0.0.1', 'private'],
    ['64:ff9b::a00:1', 'private'],
    ['169.254.169.254', null],
    ['::ffff:169.254.169.254', null],
    ['::ffff:a9fe:a9fe', null],
    ['fe80::1', null],
    ['fe80::1%eth0', null],
    ['fd00:ec2::254', null],
    ['100.100.100.200', null],
    ['168.63.129.16', null],
    ['::ffff:168.63.129.16', null],
    ['0.0.0.0', null],
    ['::', null],
    ['255.255.255.255', null],
    ['224.0.0.1', null],
    ['not an address', null],
  ]
  it.each(addresses)('%s: %s', (address, reach) => expect(reachOf(address)).toBe(reach))

  it('allows no step nearer', () => {
    const all = ['1.2.3.4', '10.0.0.1', '127.0.0.1', '169.254.169.254']
    const allowed = (nearest: Reach) => all.filter((address) => allows(nearest, address))
    expect(allowed('public')).toEqual(['1.2.3.4'])
    expect(allowed('private')).toEqual(['1.2.3.4', '10.0.0.1'])
    expect(allowed('loopback')).toEqual(['1.2.3.4', '10.0.0.1', '127.0.0.1'])
  })
})
