import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { OutgoingRule } from '@spawnpoint/core'
import { matchingRule, OPEN_NETWORK } from '@spawnpoint/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../log.ts'
import { readQuestion } from './name-question.ts'
import { NameServer } from './name-server.ts'
import { Reach } from './reach.ts'

const [A, AAAA] = [1, 28]

function query(name: string, type = A): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]))
  const head = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([head, ...labels, Buffer.of(0, 0, type, 0, 1)])
}

describe('a question for a name', () => {
  it('is read in lower case', () => {
    expect(readQuestion(query('Api.Test', AAAA))).toMatchObject({ name: 'api.test', type: AAAA })
  })

  it('is none in what is an answer, or has two, or points elsewhere', () => {
    const answer = query('a.test')
    answer.writeUInt8(0x80, 2)
    const two = query('a.test')
    two.writeUInt16BE(2, 4)
    const pointer = query('a.test')
    pointer.writeUInt8(0xc0, 12)
    for (const message of [answer, two, pointer, query('a.test').subarray(0, 15)])
      expect(readQuestion(message)).toBeNull()
  })

  it('makes nothing worse of garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const question = readQuestion(Buffer.from(bytes))
        expect(question === null || question.bytes <= bytes.length).toBe(true)
      }),
    )
  })
})

describe('the name server', () => {
  let names: NameServer
  const opened: string[] = []
  beforeAll(async () => {
    names = await NameServer.open({
      address: '127.0.0.1',
      answer: '10.88.0.1',
      resolvers: [],
      guestAt: () => ({
        intercepts: (name) => name === 'api.test',
        refuses: (name) => name === 'denied.test',
        opens: (name) => name.endsWith('db.test'),
        open: async (name) => {
          if (name === 'no.db.test') throw new Error('there is none')
          opened.push(name)
          return '192.0.2.7'
        },
        asksNames: true,
      }),
      log: silentLog,
    })
  })
  afterAll(() => names.close())
  const ask = async (message: Buffer) => {
    const socket = createSocket('udp4')
    socket.send(message, names.udpPort, '127.0.0.1')
    const [answer] = (await once(socket, 'message')) as [Buffer]
    socket.close()
    return answer
  }

  it('tells nobody of a name that is denied', async () => {
    const answer = await ask(query('denied.test'))
    expect([answer.readUInt16BE(6), answer.readUInt8(3) & 15]).toEqual([0, 5])
  })

  it('opens the ports of a name before it tells its address, and tells none where it cannot', async () => {
    const answer = await ask(query('db.test'))
    expect([opened, [...answer.subarray(-4)]]).toEqual([['db.test'], [192, 0, 2, 7]])
    const failed = await ask(query('no.db.test'))
    expect([failed.readUInt16BE(6), failed.readUInt8(3) & 15]).toEqual([0, 2])
  })

  it('says that the hosts of rules are at the proxy, and that they have nothing else', async () => {
    const answer = await ask(query('api.test'))
    expect(answer.readUInt16BE(6)).toBe(1)
    expect([...answer.subarray(-4)]).toEqual([10, 88, 0, 1])
    const other = await ask(query('api.test', AAAA))
    expect([other.readUInt16BE(6), other.readUInt8(3) & 15]).toEqual([0, 0])
  })

  it('says that it failed where nobody else can be asked, and answers over TCP too', async () => {
    expect((await ask(query('other.test'))).readUInt8(3) & 15).toBe(2)
    const socket = connect(names.tcpPort, '127.0.0.1')
    const message = query('api.test')
    const framed = Buffer.concat([Buffer.of(0, message.length), message])
    socket.write(framed.subarray(0, 5))
    socket.write(framed.subarray(5))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect([...answer.subarray(-4)]).toEqual([10, 88, 0, 1])
    socket.destroy()
  })

  it('answers many questions of one connection, and has only so many connections to one guest', async () => {
    const message = query('api.test')
    const framed = Buffer.concat([Buffer.of(0, message.length), message])
    const sockets = Array.from({ length: 65 }, () => connect(names.tcpPort, '127.0.0.1').on('error', () => {}))
    const answered = sockets.map(async (socket) => {
      socket.write(Buffer.concat([framed, framed, framed]))
      const whole = Promise.withResolvers<boolean>()
      let bytes = 0
      socket.on('data', (chunk) => {
        bytes += chunk.length
        if (bytes === 3 * (framed.length + 16)) whole.resolve(true)
      })
      socket.once('close', () => whole.resolve(false))
      return whole.promise
    })
    expect((await Promise.all(answered)).filter((whole) => !whole)).toHaveLength(1)
    for (const socket of sockets) socket.destroy()
  })
})

describe('a rule', () => {
  const rule = (change: Partial<OutgoingRule>): OutgoingRule => ({
    hosts: ['api.test'],
    paths: [],
    matchHeaders: [],
    headers: [],
    ...change,
  })
  it.each([
    [[], '/x', true],
    [['/v1/*'], '/v1/models?x=/v2/', true],
    [['/v1/*'], '/v10', true],
    [['/v1/*'], '/v2', false],
    [['/v1/**'], '/v1/../admin', false],
    [['/v1/*'], '/v1/%2e%2E/admin', false],
    [['/v1/*'], '/v1//admin', false],
    [['/v1/*'], '/v1/a%2Fb', false],
    [['/user'], '/user', true],
    [['/user'], '/user/a', false],
    [['*/runs'], '/v1/xruns', true],
    [['*/runs'], '/v1/run', false],
    [['*'], '/anything', true],
  ])('for paths %j fits %s: %s', (paths, target, fits) => {
    expect(matchingRule([rule({ paths })], 'api.test', target, []) !== null).toBe(fits)
  })

  it('is the first that fits, by host and by headers of the request', () => {
    const picky = rule({ matchHeaders: [{ name: 'authorization', value: 'Bearer b' }] })
    const all = rule({})
    expect(matchingRule([picky, all], 'api.test', '/', [['Authorization', 'Bearer b']])).toBe(picky)
    expect(matchingRule([picky, all], 'api.test', '/', [['Authorization', 'Bearer c']])).toBe(all)
    expect(matchingRule([picky, all], 'b.test', '/', [])).toBeNull()
    const secure = { ...all, port: 443 as const }
    expect([80, 443, undefined].map((port) => matchingRule([secure], 'api.test', '/', [], port) !== null)).toEqual([
      false,
      true,
      false,
    ])
  })
})

it('lets every name pass that is not denied, where some are', () => {
  const passes = (change: object, host: string) => new Reach({ ...OPEN_NETWORK, ...change }).passes(host, 443)
  expect(passes({ denyDomains: ['*.evil.test'] }, 'good.test')).toBe(true)
  expect(passes({ denyDomains: ['*.evil.test'] }, 'A.Evil.test')).toBe(false)
  expect(passes({ denyDomains: ['a.test'], internet: false }, 'good.test')).toBe(false)
  // Nothing is looked at but what a list names.
  expect(passes({}, 'good.test')).toBe(false)
})

describe('what a policy lets a name lead to', () => {
  const reach = (change: object) => new Reach({ ...OPEN_NETWORK, ...change })
  it.each([
    [{}, '9.9.9.9', true],
    [{}, '127.0.0.1', false],
    [{}, '169.254.169.254', false],
    [{}, '168.63.129.16', false],
    [{ internet: false }, '9.9.9.9', false],
    [{ deny: ['9.0.0.0/8'] }, '9.9.9.9', false],
    [{ allow: ['8.0.0.0/8'] }, '9.9.9.9', false],
    [{ allow: ['9.0.0.0/8'] }, '9.9.9.9', true],
    [{ allowDomains: ['api.test'] }, '9.9.9.9', true],
    [{ allowDomains: ['other.test'] }, '9.9.9.9', false],
    [{ allowDomains: ['api.test'], deny: ['9.9.9.9/32'] }, '9.9.9.9', false],
    [{ denyDomains: ['other.test'] }, '9.9.9.9', true],
    [{ denyDomains: ['api.test'] }, '9.9.9.9', false],
    [{ denyDomains: ['*.test'], allowDomains: ['api.test'], precedence: 'allow' }, '9.9.9.9', false],
    [{ precedence: 'allow', allowDomains: ['api.test'], deny: ['0.0.0.0/0'] }, '9.9.9.9', true],
    [{ precedence: 'allow', deny: ['0.0.0.0/0'] }, '9.9.9.9', false],
  ])('%j: %s %s', (change, address, permitted) => {
    expect(reach(change).permits('api.test', address, 443)).toBe(permitted)
  })

  it.each([
    [{}, true],
    [{ internet: false }, false],
    [{ allowDomains: ['api.test'] }, true],
    [{ allowDomains: ['other.test'] }, false],
    [{ allow: ['9.0.0.0/8'] }, false],
    [{ denyDomains: ['*.test'] }, false],
    [{ precedence: 'allow', allowDomains: ['api.test'], deny: ['0.0.0.0/0'] }, true],
    [{ precedence: 'allow', deny: ['0.0.0.0/0'] }, false],
  ])('%j: to be asked for, wherever requests are then sent: %s', (change, may) => {
    expect(reach(change).mayAskFor('api.test', 443)).toBe(may)
  })

  it.each([
    [{}, false],
    // Whoever names a host for requests to go to need not name it twice.
    [{ allowDomains: ['api.test'] }, false],
    [{ internet: false }, true],
    [{ denyDomains: ['gateway.test'] }, true],
    [{ denyDomains: ['gateway.test:8443'] }, true],
    [{ deny: ['9.0.0.0/8'] }, true],
    [{ deny: ['9.0.0.0/8:443'] }, false],
    [{ precedence: 'allow', deny: ['0.0.0.0/0'], allow: ['9.0.0.0/8'] }, false],
  ])('%j: denied as where requests are sent: %s', (change, denied) => {
    expect(reach(change).denies('gateway.test', '9.9.9.9', 8443)).toBe(denied)
  })

  it('lets names be asked for only where the name servers may be', () => {
    expect(reach({}).asksNames(['9.9.9.9'])).toBe(true)
    expect(reach({ allow: ['8.0.0.0/8'] }).asksNames(['9.9.9.9'])).toBe(false)
    expect(reach({ precedence: 'allow', deny: ['0.0.0.0/0'] }).asksNames(['9.9.9.9'])).toBe(false)
  })
})

it('lets a name be reached on the ports that the list gives it, wherever it leads but to the host', () => {
  const reach = new Reach({ ...OPEN_NETWORK, allowDomains: ['a.test:443', '*.db.test:5432', '~^x[0-9]+\\.test$'] })
  expect([reach.passes('a.test', 443), reach.passes('a.test', 80)]).toEqual([true, false])
  expect([reach.passes('x12.test', 80), reach.passes('x.test', 80)]).toEqual([true, false])
  expect([reach.openedPorts('b.db.test'), reach.openedPorts('db.test'), reach.openedPorts('a.test')]).toEqual([
    [5432],
    [],
    [],
  ])
  expect(reach.permits('b.db.test', '192.0.2.1', 5432)).toBe(true)
  expect(reach.permits('b.db.test', '192.0.2.1', 22)).toBe(false)
  expect(reach.permits('b.db.test', '127.0.0.1', 5432)).toBe(false)
  expect(reach.permits('b.db.test', '169.254.169.254', 5432)).toBe(false)
})

it('knows of addresses what is of one port alone', () => {
  const permits = (change: object, port: number) =>
    new Reach({ ...OPEN_NETWORK, ...change }).permits('a.test', '192.0.2.1', port)
  expect([80, 443].map((port) => permits({ allow: ['192.0.2.0/24:443'] }, port))).toEqual([false, true])
  expect([80, 443].map((port) => permits({ deny: ['192.0.2.1/32:443'] }, port))).toEqual([true, false])
  expect([80, 443].map((port) => permits({ denyDomains: ['a.test:80'] }, port))).toEqual([false, true])
})
