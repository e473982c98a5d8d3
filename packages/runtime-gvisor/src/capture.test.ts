import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { newId, type Requirements, type SnapshotId } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findByArgument } from './host-process.ts'
import { incarnationPaths } from './incarnation-record.ts'
import { logPipe } from './pipes.ts'
import { ECHO_PORT, OUTSIDE, OUTSIDE_HOOK_MS, Outside } from './testing/outside.ts'
import { RUNSCS } from './testing/test-host.ts'
import { MIB, sh, World } from './testing/world.ts'

describe.each(RUNSCS)('captures with %s', (runsc) => {
  let world: World
  beforeAll(async () => {
    world = await World.open(runsc)
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose](), 60_000)

  it('find their call started where they are expected; what comes to nothing leaves nothing', async () => {
    const box = await world.boot()
    await sh(box.guest, 'echo memory > /tmp/kept')
    const waiting = () => findByArgument(logPipe(incarnationPaths(world.stateDir, box.id).pipes))
    const { memoryDir } = await world.pool.stageSnapshot(newId<SnapshotId>())
    {
      await using _expected = await world.runtime.expectCheckpoint(box.id, memoryDir)
      await expect.poll(waiting).toHaveLength(1)
      expect(readdirSync(memoryDir)).toEqual([])
    }
    expect(waiting()).toEqual([])

    // The second finds that something else was expected.
    await world.runtime.expectCheckpoint(box.id, memoryDir)
    for (const expected of [true, false]) {
      const clone = await world.spawn(await world.capture(box, { expected }))
      expect(await sh(clone.guest, 'cat /tmp/kept')).toBe('0 memory')
      await world.runtime.kill(clone.id)
      await world.runtime.expectCheckpoint(box.id, memoryDir)
    }
    await expect.poll(waiting).toHaveLength(1)
    await world.runtime.kill(box.id)
    expect(waiting()).toEqual([])
  })

  it('either carry deleted files that are open, or name them and let the sandbox go on', async () => {
    const box = await world.boot()
    await sh(
      box.guest,
      'echo precious > /root/held; (exec 3</root/held; rm /root/held; sleep 600; cat <&3) >/dev/null 2>&1 &',
    )
    await expect.poll(() => sh(box.guest, 'test -e /root/held; echo $?')).toBe('0 1')
    const read = 'for p in /proc/[0-9]*/fd/3; do case "$(readlink $p)" in */root/held*) cat $p;; esac; done'
    if (world.runtime.info.capabilities.capturesDeletedFiles) {
      const clone = await world.spawn(await world.capture(box))
      expect(await sh(clone.guest, read)).toContain('precious')
      await world.runtime.kill(clone.id)
    } else {
      await expect(world.capture(box)).rejects.toMatchObject({
        code: 'capture_refused',
        context: { culprits: [{ what: 'deleted file', path: '/root/held' }] },
      })
    }
    expect(await sh(box.guest, `${read}; echo alive`)).toMatch(/alive$/)
    await sh(box.guest, 'pkill -f "sleep 600" || kill $(grep -l "sleep" /proc/[0-9]*/comm | cut -d/ -f3)')
    await world.runtime.kill(box.id)
  })

  it('stay paused when they are refused, and can be taken again without the culprit', async () => {
    if (world.runtime.info.capabilities.capturesDeletedFiles) return
    const box = await world.boot()
    const { info } = await box.guest.processes.startAndFollow({
      args: ['/bin/bash', '-c', 'exec 3>/root/held; rm /root/held; while :; do echo >> /tmp/beat; sleep 0.02; done'],
      env: {},
      stdin: false,
    })
    await expect.poll(() => sh(box.guest, 'test -s /tmp/beat; echo $?')).toBe('0 0')
    const { memoryDir } = await world.pool.stageSnapshot(newId<SnapshotId>())
    await box.guest.hold({ hooks: false, hookTimeoutMs: 1000, sync: true, findCulprits: false })
    await world.runtime.pause(box.id)
    await expect(world.runtime.checkpoint(box.id, memoryDir)).rejects.toMatchObject({ code: 'capture_refused' })
    expect(await world.runtime.list()).toEqual([{ id: box.id, paused: true }])
    const before = await world.runtime.usage(box.id)
    await new Promise((resolve) => setTimeout(resolve, 300))
    // A loop of fifty rounds a second costs ten times this; the runtime's own idling does not.
    expect((await world.runtime.usage(box.id)).cpuMs - before.cpuMs).toBeLessThan(40)
    await world.runtime.resume(box.id)
    await box.guest.release()
    await box.guest.processes.signal(info.id, 'SIGKILL', true)
    await box.guest.processes.wait(info.id)
    const clone = await world.spawn(await world.capture(box))
    expect(await sh(clone.guest, 'test -s /tmp/beat; echo $?')).toBe('0 0')
    await Promise.all([box, clone].map(({ id }) => world.runtime.kill(id)))
  })

  describe('beside the outside', () => {
    let outside: Outside
    beforeAll(async () => {
      outside = await Outside.open()
    }, OUTSIDE_HOOK_MS)
    afterAll(() => outside[Symbol.asyncDispose]())

    it('keep the origin connected to the outside where the runtime says so', async () => {
      const box = await world.boot({
        network: { internet: true, allow: [], deny: [], allowDomains: [], precedence: 'deny' },
      })
      const { info, output } = await box.guest.processes.startAndFollow({
        args: [
          '/bin/bash',
          '-c',
          `exec 3<>/dev/tcp/${OUTSIDE}/${ECHO_PORT}; while read -r l; do echo "$l" >&3; read -r a <&3 || a=lost; echo "$a"; done`,
        ],
        env: {},
        stdin: true,
      })
      const lines = output[Symbol.asyncIterator]()
      const ask = async (text: string) => {
        await box.guest.processes.writeStdin(info.id, Buffer.from(`${text}\n`))
        for (;;) {
          const { value, done } = await lines.next()
          if (done) return 'the end'
          if (value.type === 'data' && value.stream === 'stdout') return value.data.toString().trim()
        }
      }
      expect(await ask('one')).toMatch(/one$/)
      await world.capture(box)
      if (world.runtime.info.capabilities.keepsConnections) expect(await ask('two')).toMatch(/two$/)
      else expect(await ask('two')).toBe('lost')
      expect(outside.heard).toEqual(['ready'])
      await world.runtime.kill(box.id)
    })
  })

  it('restore with other resources than they were taken with', async () => {
    const box = await world.boot()
    const captured = await world.capture(box)
    const resources = { cpus: 2, memoryBytes: 512 * MIB, diskBytes: 4096 * MIB, maxProcesses: 999 }
    const clone = await world.spawn(captured, { resources, hostname: 'other' })
    expect(await sh(clone.guest, "awk '/MemTotal/ { print $2 }' /proc/meminfo")).toBe(`0 ${512 * 1024}`)
    const again = await world.spawn(await world.capture(clone))
    expect(await sh(again.guest, 'echo twice')).toBe('0 twice')
    await Promise.all([box, clone, again].map(({ id }) => world.runtime.kill(id)))
  })

  it('of much memory come back byte for byte', async () => {
    const box = await world.boot({
      resources: { cpus: 2, memoryBytes: 1024 * MIB, diskBytes: 4096 * MIB, maxProcesses: 64 },
    })
    await sh(box.guest, 'head -c 300M /dev/urandom > /tmp/big; sha256sum /tmp/big > /root/sum')
    const captured = await world.capture(box)
    const clone = await world.spawn(captured, {
      resources: { cpus: 2, memoryBytes: 1024 * MIB, diskBytes: 4096 * MIB, maxProcesses: 64 },
    })
    expect(await sh(clone.guest, 'sha256sum -c --quiet /root/sum; echo $?')).toBe('0 0')
    await Promise.all([box, clone].map(({ id }) => world.runtime.kill(id)))
  })

  it('say what differs when this host cannot restore them', async () => {
    const box = await world.boot()
    const captured = await world.capture(box)
    const { requirements } = captured.memory
    const wrong = [
      [{ runtime: 'other' }, 'runtime other'],
      [{ runtimeVersion: '1.2.3' }, '1.2.3'],
      [{ cpuFeatures: [...requirements.cpuFeatures, 'warp9'] }, 'warp9'],
      [{ agentDigest: 'f'.repeat(64) }, 'f'.repeat(64)],
      [{ agentDigest: '../../etc' }, '../../etc'],
    ] satisfies [Partial<Requirements>, string][]
    for (const [change, named] of wrong) {
      const memory = { ...captured.memory, requirements: { ...requirements, ...change } }
      await expect(world.spawn({ ...captured, memory })).rejects.toMatchObject({
        code: 'incompatible',
        context: { needs: expect.stringContaining(named) },
      })
    }
    await world.runtime.kill(box.id)
  })

  it('name nothing of this host, even if somebody has changed them', async () => {
    const box = await world.boot()
    const captured = await world.capture(box)
    await world.runtime.kill(box.id)
    const dir = mkdtempSync(`${world.dir}/changed-`)
    cpSync(captured.memory.dir, dir, { recursive: true })
    const file = `${dir}/spawnpoint.json`
    const text = JSON.stringify({
      format: 1,
      frozen: {
        ociVersion: '1.0.2',
        process: { args: ['/.spawnpoint/agent'] },
        mounts: [{ destination: '/host', type: 'bind', source: '/', options: [] }],
      },
    })
    writeFileSync(file, text)
    const memory = { ...captured.memory, dir }
    await expect(world.spawn({ ...captured, memory })).rejects.toMatchObject({ code: 'incompatible' })
    expect(readdirSync(dir)).toContain('spawnpoint.json')
    rmSync(dir, { recursive: true })
  })
})
