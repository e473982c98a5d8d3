import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RUNSCS } from './testing/test-host.ts'
import { type Box, MIB, sh, World } from './testing/world.ts'

const allocate = (mib: number) =>
  `python3 -c 'b = bytearray(${mib} << 20); b[::4096] = b"x" * len(b[::4096]); print("held")'`

describe.each(RUNSCS)('limits with %s', (runsc) => {
  let world: World
  let box: Box
  beforeAll(async () => {
    world = await World.open(runsc)
    box = await world.boot()
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose](), 60_000)

  it('shows the guest the memory it was promised, and lets it use nearly all', async () => {
    expect(await sh(box.guest, "awk '/MemTotal/ { print $2 }' /proc/meminfo")).toBe(`0 ${256 * 1024}`)
    expect(await sh(box.guest, allocate(200))).toBe('0 held')
  })

  it('answers a full temporary file system with "no space left", not with death', async () => {
    const fill = (path: string) => `dd if=/dev/zero of=${path}/full bs=1M 2>&1 | grep -o 'No space left'`
    for (const path of ['/tmp', '/dev/shm', '/var/tmp', '/run']) {
      expect(await sh(box.guest, fill(path))).toBe('0 No space left')
    }
    expect(await sh(box.guest, allocate(40))).toBe('0 held')
    await sh(box.guest, 'rm /tmp/full /dev/shm/full /var/tmp/full /run/full')
    expect(world.exits).toEqual([])
  })

  it('gives no more processor time than promised', async () => {
    const slow = await world.boot({ resources: { ...world.spec(box.root).resources, cpus: 0.5 } })
    const before = await world.runtime.usage(slow.id)
    const began = performance.now()
    const burn = 'for i in 1 2; do timeout 1 sh -c "while :; do :; done" & done; wait'
    await sh(slow.guest, burn)
    const used = (await world.runtime.usage(slow.id)).cpuMs - before.cpuMs
    const share = used / (performance.now() - began)
    // What it gets of that is up to what else there is to do.
    expect(share).toBeGreaterThan(0.02)
    expect(share).toBeLessThan(0.65)
    await world.runtime.kill(slow.id)
  })

  it('reports a sandbox that outgrew its memory as such, or ends the one process', async () => {
    const greedy = await world.boot()
    const gone = greedy.guest.gone.then(() => 'gone')
    const died = sh(greedy.guest, `${allocate(600)}; echo "after $?"`).catch(() => 'gone')
    const outcome = await Promise.race([gone, died])
    if (outcome === 'gone') {
      await expect.poll(() => world.exits).toMatchObject([{ id: greedy.id, reason: 'out_of_memory' }])
      expect(world.exits[0]?.detail).toContain('256 MiB')
      expect(await world.runtime.list()).toEqual([{ id: box.id, paused: false }])
    } else {
      expect(outcome).toBe('0 after 137')
      await world.runtime.kill(greedy.id)
    }
    world.exits.length = 0
  })

  it('bears a guest that makes processes without end, or says what ended it', async () => {
    const bomber = await world.boot({
      resources: { ...world.spec(box.root).resources, memoryBytes: 1024 * MIB, maxProcesses: 16 },
    })
    const bomb =
      'python3 -c \'import os\nn = 0\nwhile n < 5000:\n  n += 1\n  if os.fork() == 0: os.execvp("sleep", ["sleep", "60"])\''
    const outcome = await Promise.race([
      bomber.guest.gone.then(() => 'gone'),
      sh(bomber.guest, bomb).catch(() => 'gone'),
    ])
    if (outcome === 'gone') {
      await expect.poll(() => world.exits).toMatchObject([{ id: bomber.id }])
      const [exit] = world.exits
      expect(exit?.reason === 'out_of_memory' || exit?.detail.includes('threads')).toBe(true)
    } else {
      expect(await sh(bomber.guest, 'echo alive')).toBe('0 alive')
      await world.runtime.kill(bomber.id)
    }
    expect(await sh(box.guest, 'echo unharmed')).toBe('0 unharmed')
    world.exits.length = 0
  })
})
