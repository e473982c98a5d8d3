import { execFileSync } from 'node:child_process'
import type { NetworkPolicy } from '@spawnpoint/core'
import { OPEN_NETWORK } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HELD, NAMES, NamedOutside, RELEASE } from '../../testing/named-outside.ts'
import { OTHER, OUTSIDE, OUTSIDE_HOOK_MS } from '../../testing/outside.ts'
import { RUNSCS } from '../../testing/test-host.ts'
import { type Box, sh, World } from '../../testing/world.ts'
import { proxyAddress } from '../addresses.ts'

/** One line of what answered, or nothing. */
const http = (host: string, address = host) =>
  `timeout 5 bash -c 'exec 3<>/dev/tcp/${address}/80 && printf "GET / HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: close\\r\\n\\r\\n" >&3 && tail -n 1 <&3' 2>/dev/null`
const tls = (host: string, address = host) => `timeout 5 python3 -c '
import socket, ssl
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
with context.wrap_socket(socket.create_connection(("${address}", 443), 4), server_hostname="${host}") as s: print(s.recv(100).decode())' 2>/dev/null`

describe.each(RUNSCS)('hosts by name with %s', (runsc) => {
  let outside: NamedOutside
  let world: World
  let box: Box
  const policy = (change: Partial<NetworkPolicy>) => world.runtime.setNetwork(box.id, { ...OPEN_NETWORK, ...change })
  const output = async (command: string) => (await sh(box.guest, command)).replace(/^\d+ ?/, '').trim()
  beforeAll(async () => {
    outside = await NamedOutside.open()
    world = await World.open(runsc, { dns: [OUTSIDE] })
    box = await world.boot({ network: { ...OPEN_NETWORK, allowDomains: ['good.test', '*.wild.test'] } })
    await sh(box.guest, `echo nameserver ${OUTSIDE} >/etc/resolv.conf`)
  }, OUTSIDE_HOOK_MS)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await outside[Symbol.asyncDispose]()
  }, 60_000)

  it('are reached over HTTP and TLS where the policy names them, and no others', async () => {
    expect(await output(http('good.test'))).toBe('http of good.test')
    expect(await output(tls('good.test'))).toBe('tls of good.test')
    expect(await output(http('a.wild.test'))).toBe('http of a.wild.test')
    expect(await output(tls('bad.test'))).toBe('')
    expect(await output(http('bad.test'))).toBe('')
    expect(await output(http('wild.test'))).toBe('')
  })

  it('leave the host the addresses from which it speaks to guests', () => {
    const addresses = execFileSync('ip', ['-4', '-o', 'addr', 'show', 'dev', 'lo'], { encoding: 'utf8' })
    // One that is not of the host's scope is taken for the source, and a guest may not answer it.
    expect(addresses).toContain(`${proxyAddress(world.serverIndex)}/32 scope host`)
  })

  it('are where the name servers say, not where the guest says', async () => {
    expect(await output(tls('good.test', OTHER))).toBe('tls of good.test')
    expect(await output(http('bad.test', OUTSIDE))).toBe('')
  })

  it('never are the host, its metadata server or another guest, whatever their names lead to', async () => {
    await policy({ allowDomains: Object.keys(NAMES) })
    expect(await output(http('good.test'))).toBe('http of good.test')
    for (const name of ['loopback.test', 'host.test', 'metadata.test', 'guest.test'])
      expect(await output(http(name))).toBe('')
  })

  it('are not connected to for a guest that has gone before their address was found', async () => {
    const open = () =>
      execFileSync('ss', ['-Htn', 'dst', `${OUTSIDE}:80`], { encoding: 'utf8' }).match(/[\d.]+:\d+/g) ?? []
    const before = new Set(open())
    await policy({ allowDomains: [HELD, RELEASE] })
    const gone = `python3 -c '
import socket, struct
s = socket.create_connection(("${OUTSIDE}", 80), 4)
s.sendall(b"GET / HTTP/1.1\\r\\nHost: ${HELD}\\r\\n\\r\\n")
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))'`
    expect(await output(gone)).toBe('')
    expect(await output(http(RELEASE, OUTSIDE))).toBe(`http of ${RELEASE}`)
    await expect.poll(() => open().filter((end) => end !== `${OUTSIDE}:80` && !before.has(end))).toEqual([])
  })

  it('cannot be asked for from a port that no answer can go to', async () => {
    await policy({ allowDomains: ['good.test'], denyDomains: ['bad.test'] })
    const question = `python3 -c '
import socket, struct
question = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4good\\4test\\0\\0\\1\\0\\1"
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
s.sendto(struct.pack("!HHHH", 0, 53, 8 + len(question), 0) + question, ("${OUTSIDE}", 53))
print("sent")'`
    expect(await output(question)).toBe('sent')
    expect(await output(http('good.test'))).toBe('http of good.test')
  })

  it('are not reached once the policy names them no more, and open connections are cut', async () => {
    await policy({ allowDomains: ['good.test'] })
    const held = sh(
      box.guest,
      `exec 3<>/dev/tcp/good.test/80; printf "GET /slow HTTP/1.1\\r\\nHost: good.test\\r\\n\\r\\n" >&3; head -n 1 <&3; touch /tmp/held; cat <&3 >/dev/null; echo cut`,
    )
    await expect.poll(() => sh(box.guest, 'test -e /tmp/held && echo held')).toBe('0 held')
    await policy({ allowDomains: ['a.wild.test'] })
    expect(await held).toMatch(/cut$/)
    expect(await output(http('good.test'))).toBe('')
    expect(await output(http('a.wild.test'))).toBe('http of a.wild.test')
  })

  it('obey denial by address, or are excepted from it, as the precedence says', async () => {
    await policy({ allowDomains: ['good.test'], deny: [OUTSIDE] })
    expect(await output(http('good.test'))).toBe('')
    await policy({ allowDomains: ['good.test'], deny: ['0.0.0.0/0'], precedence: 'allow' })
    expect(await output(http('good.test'))).toBe('http of good.test')
    expect(await output(http('bad.test'))).toBe('')
    await policy({ allowDomains: ['good.test'], deny: [OTHER], precedence: 'allow' })
    expect(await output(http('bad.test'))).toBe('http of bad.test')
  })

  it('stay reachable over a restart of the server', async () => {
    await policy({ allowDomains: ['good.test'] })
    await world.reopen()
    box.guest = await world.runtime.attach(box.id)
    expect(await output(http('good.test'))).toBe('http of good.test')
    expect(await output(http('bad.test'))).toBe('')
  })
})
