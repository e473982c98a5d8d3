import { execFileSync, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import type { NetworkPolicy } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ECHO_PORT, METADATA, OTHER, OUTSIDE, OUTSIDE_HOOK_MS, OUTSIDE_HOST_SIDE, Outside } from '../testing/outside.ts'
import { RUNSCS } from '../testing/test-host.ts'
import { type Box, sh, World } from '../testing/world.ts'
import { outerAddress } from './addresses.ts'

const OPEN: NetworkPolicy = { internet: true, allow: [], deny: [], allowDomains: [], precedence: 'deny' }
const CLOSED: NetworkPolicy = { internet: false, allow: [], deny: [], allowDomains: [], precedence: 'deny' }

/** A bridge that has just been made may hold back what passes it for some seconds. */
const BRIDGE = { timeout: 10_000 }

/** In seconds. The outside answers or the policy refuses, at once on an idle machine; elsewhere it is dropped in silence. */
const patience = (address: string) => ([OUTSIDE, OTHER].includes(address) ? 10 : 1)

/** `0` and the answer, or a code that is not 0: refused, or so long without an answer */
const call = (address: string, port = ECHO_PORT, seconds = patience(address)) =>
  `timeout ${seconds} bash -c 'exec 3<>/dev/tcp/${address}/${port} && echo hello >&3 && read -r line <&3 && echo "$line"' 2>/dev/null`

describe.each(RUNSCS)('network with %s', (runsc) => {
  let outside: Outside
  let world: World
  let box: Box
  const policy = (change: Partial<NetworkPolicy>) => world.runtime.setNetwork(box.id, { ...OPEN, ...change })
  const reaches = async (...to: Parameters<typeof call>) => (await sh(box.guest, call(...to))).startsWith('0')
  beforeAll(async () => {
    outside = await Outside.open()
    world = await World.open(runsc)
    box = await world.boot({ network: OPEN })
  }, OUTSIDE_HOOK_MS)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await outside[Symbol.asyncDispose]()
  }, 60_000)

  it('reaches the outside as the host, unless told otherwise', async () => {
    await policy({})
    expect(await sh(box.guest, call(OUTSIDE))).toBe(`0 ${OUTSIDE_HOST_SIDE} hello`)
    await policy(CLOSED)
    expect(await sh(box.guest, `${call(OUTSIDE)}; echo $?`)).toBe('0 1')
    await policy({})
    expect(await reaches(OUTSIDE)).toBe(true)
  })

  it('starts with the policy it is given', async () => {
    const closed = await world.boot({ network: CLOSED })
    expect(await sh(closed.guest, call(OUTSIDE))).not.toMatch(/^0/)
    await world.runtime.kill(closed.id)
    const next = await world.boot({ network: { ...OPEN, deny: [OUTSIDE] } })
    expect(await sh(next.guest, call(OUTSIDE))).not.toMatch(/^0/)
    expect(await sh(next.guest, call(OTHER))).toMatch(/^0/)
    await world.runtime.kill(next.id)
  })

  it('allows what is listed, and denial wins', async () => {
    await policy({ allow: ['198.51.100.0/30'] })
    expect([await reaches(OUTSIDE), await reaches(OTHER)]).toEqual([true, true])
    await policy({ allow: [`${OTHER}/32`] })
    expect([await reaches(OUTSIDE), await reaches(OTHER)]).toEqual([false, true])
    await policy({ allow: ['198.51.100.0/24'], deny: [OTHER] })
    expect([await reaches(OUTSIDE), await reaches(OTHER)]).toEqual([true, false])
    await policy({ allow: ['2001:db8::/32'] })
    expect(await reaches(OUTSIDE)).toBe(false)
  })

  it('cuts open connections that the new policy does not allow', async () => {
    await policy({})
    const script = `exec 3<>/dev/tcp/${OUTSIDE}/${ECHO_PORT}; echo one >&3; read -r a <&3; echo "$a" >/tmp/open; read -r;
      echo two >&3; read -t 5 -r b <&3 && echo "$b" || echo cut`
    const { info, output } = await box.guest.processes.startAndFollow({
      args: ['/bin/bash', '-c', script],
      env: {},
      stdin: true,
    })
    await expect.poll(() => sh(box.guest, 'cat /tmp/open')).toBe(`0 ${OUTSIDE_HOST_SIDE} one`)
    await policy(CLOSED)
    await box.guest.processes.writeStdin(info.id, Buffer.from('\n'))
    let text = ''
    for await (const item of output) if (item.type === 'data') text += item.data
    expect(text).toMatch(/reset by peer\s+cut/)
  })

  it('rejects a policy that it does not understand, and changes nothing', async () => {
    await policy({})
    await expect(policy({ deny: ['example.com'] })).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(await reaches(OUTSIDE)).toBe(true)
  })

  it('never reaches metadata servers, the host, or another sandbox', async () => {
    await policy({ allow: ['0.0.0.0/0'] })
    expect(await reaches(METADATA)).toBe(false)

    const server = createServer((socket) => socket.end('host\n'))
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
    const { port } = server.address() as { port: number }
    for (const address of ['10.88.0.1', OUTSIDE_HOST_SIDE]) expect(await reaches(address, port)).toBe(false)
    server.close()

    const other = await world.boot({ network: OPEN })
    const listen = `python3 -c 'import socket; s = socket.create_server(("0.0.0.0", 9000)); print("up", flush=True)
while True: c, _ = s.accept(); c.sendall(b"sandbox\\n")'`
    const { output } = await other.guest.processes.startAndFollow({
      args: ['/bin/bash', '-c', listen],
      env: {},
      stdin: false,
    })
    for await (const item of output) if (item.type === 'data') break
    const address = outerAddress(world.serverIndex, world.record(other.id).slot)
    expect(await reaches(address, 9000)).toBe(false)
    expect(await world.connectFromHost(address, 9000)).toBe('sandbox\n')
    await world.runtime.kill(other.id)
  })

  it('never reaches containers of the host, neither themselves nor by a port that the host publishes', async () => {
    await policy({ allow: ['0.0.0.0/0'] })
    const bridge = `br-${outside.name}`.slice(0, 15)
    const link = `sv${process.pid}`
    const nat = 'table ip spawnpoint_test_nat'
    const publish = `tcp dport 7070 dnat to ${OUTSIDE}:${ECHO_PORT}`
    const lines = [
      `link add ${bridge} type bridge`,
      `addr add 203.0.113.1/24 dev ${bridge}`,
      `link set ${bridge} up`,
      `link add ${link} type veth peer name eth1 netns ${outside.name}`,
      `link set ${link} master ${bridge} up`,
    ]
    execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') })
    try {
      const inside = ['addr add 203.0.113.2/24 dev eth1', 'link set eth1 up']
      execFileSync('ip', ['-n', outside.name, '-batch', '-'], { input: inside.join('\n') })
      execFileSync('nft', ['-f', '-'], {
        input: `${nat} { chain c { type nat hook prerouting priority dstnat; ip daddr ${OUTSIDE_HOST_SIDE} ${publish}; }; }`,
      })
      await expect.poll(() => world.connectFromHost('203.0.113.2', ECHO_PORT, 'x\n'), BRIDGE).toBe('203.0.113.1 x\n')
      expect(await reaches('203.0.113.2')).toBe(false)
      expect(await reaches(OUTSIDE_HOST_SIDE, 7070)).toBe(false)
      expect(await reaches(OUTSIDE)).toBe(true)
    } finally {
      spawnSync('nft', ['delete', ...nat.split(' ')])
      for (const name of [link, bridge]) spawnSync('ip', ['link', 'delete', name])
    }
  })

  it('lets no packet out under a forged address', async () => {
    await policy({})
    const send = (source: string, text: string) => `python3 -c '
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
data = b"${text}"
udp = struct.pack("!HHHH", 4000, ${ECHO_PORT}, 8 + len(data), 0) + data
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton("${source}"), socket.inet_aton("${OUTSIDE}"))
s.sendto(ip + udp, ("${OUTSIDE}", 0))'`
    expect(await sh(box.guest, send('100.64.0.200', 'forged'))).toBe('0 ')
    expect(await sh(box.guest, send('10.88.0.2', 'honest'))).toBe('0 ')
    await expect.poll(() => outside.heard).toContain(`udp ${OUTSIDE_HOST_SIDE} honest`)
    expect(outside.heard.join()).not.toContain('forged')
  })

  it('gets along with a firewall that drops what it does not know', async () => {
    await policy({})
    const chain = 'ip filter FORWARD'
    const existed = spawnSync('nft', ['list', 'chain', ...chain.split(' ')]).status === 0
    const before = '{ type filter hook forward priority filter; policy drop; }'
    if (!existed) execFileSync('nft', ['-f', '-'], { input: `add table ip filter\nadd chain ${chain} ${before}` })
    try {
      if (!existed) expect(await reaches(OUTSIDE, ECHO_PORT, 1)).toBe(false)
      await world.reopen()
      box.guest = await world.runtime.attach(box.id)
      expect(await reaches(OUTSIDE)).toBe(true)
      await policy(CLOSED)
      expect(await reaches(OUTSIDE)).toBe(false)
      await world.reopen()
      box.guest = await world.runtime.attach(box.id)
      const rules = execFileSync('nft', ['list', 'chain', ...chain.split(' ')], { encoding: 'utf8' })
      expect(rules.split(`"spawnpoint_${world.serverIndex}"`)).toHaveLength(3)
    } finally {
      if (!existed) execFileSync('nft', ['delete', 'table', 'ip', 'filter'])
    }
  })

  it('gives a restored sandbox the policy of its own, with its listeners in place', async () => {
    await policy({})
    const listen =
      'python3 -c \'import socket; s = socket.create_server(("0.0.0.0", 9000)); print("up", flush=True)\nwhile True: c, _ = s.accept(); c.sendall(b"again\\n")\''
    const { output } = await box.guest.processes.startAndFollow({
      args: ['/bin/bash', '-c', listen],
      env: {},
      stdin: false,
    })
    for await (const item of output) if (item.type === 'data') break
    const captured = await world.capture(box)
    const [closed, open] = [
      await world.spawn(captured, { network: CLOSED }),
      await world.spawn(captured, { network: OPEN }),
    ]
    expect(await sh(closed.guest, call(OUTSIDE))).not.toMatch(/^0/)
    expect(await sh(open.guest, call(OUTSIDE))).toBe(`0 ${OUTSIDE_HOST_SIDE} hello`)
    for (const { id } of [box, closed, open]) {
      const address = outerAddress(world.serverIndex, world.record(id).slot)
      expect(await world.connectFromHost(address, 9000)).toBe('again\n')
    }
    await Promise.all([closed, open].map(({ id }) => world.runtime.kill(id)))
  })
})
