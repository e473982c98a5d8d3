import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type IncarnationSpec, newId, type ProcessOutput, type SnapshotId } from '@spawnpoint/core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { GvisorRuntime } from './gvisor-runtime.ts'
import { findByArgument, findProcess, type HostProcess, isAlive, waitUntilDead } from './host-process.ts'
import { incarnationPaths, writePaused } from './incarnation-record.ts'
import { emptyNamespaceName, namespaceName, namespacePath } from './network/addresses.ts'
import { logPipe } from './pipes.ts'
import { FaultyRunsc } from './testing/faulty-runsc.ts'
import { RUNSCS } from './testing/test-host.ts'
import { tracesOf } from './testing/traces.ts'
import { sh, World } from './testing/world.ts'

describe.each(RUNSCS)('a server that comes back, with %s', (real) => {
  const dir = mkdtempSync(`${tmpdir()}/spawnpoint-restart-`)
  const faulty = new FaultyRunsc(dir, real)
  let world: World
  let child: ChildProcess | undefined
  beforeAll(async () => {
    world = await World.open(faulty.path, { cacheDir: `${dir}/cache`, readySlots: 2, timeouts: { deathMs: 500 } })
  }, 60_000)
  afterEach(async () => {
    faulty.clear()
    child?.kill('SIGKILL')
    child = undefined
    await world.runtime.open()
    for (const { id } of await world.runtime.list()) await world.runtime.kill(id)
  })
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    rmSync(dir, { recursive: true })
  }, 60_000)

  /** Another process takes the runtime's place; resolves when it has said `word`. */
  async function serve(specs: IncarnationSpec[], word: string, then = ''): Promise<void> {
    await world.runtime.close()
    const script = join(import.meta.dirname, 'testing/server-child.ts')
    const arguments_ = [script, JSON.stringify([world.options, specs]), then]
    child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    for await (const data of child.stdout as NodeJS.ReadableStream) {
      said += data
      if (said.includes(word)) return
    }
    throw new Error(`the server ended having said ${said}`)
  }

  /** `kill -9`, and the next server in the same place. */
  async function restart(): Promise<void> {
    child?.kill('SIGKILL')
    await once(child as ChildProcess, 'exit')
    await world.reopen()
  }

  it('finds its sandboxes as they were, streams and all, and loses no byte', async () => {
    const box = await world.boot()
    const count = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done'
    const { info, output } = await box.guest.processes.startAndFollow({
      args: ['/bin/bash', '-c', count],
      env: {},
      stdin: false,
    })
    const first = await read(output, 20)
    await world.reopen()
    const guest = await world.runtime.attach(box.id)
    const rest = await guest.processes.follow(info.id, { from: { stdout: first.length } })
    const text = first + (await read(rest.output, 200))
    const numbers = text.trim().split('\n').slice(0, -1).map(Number)
    expect(numbers.length).toBeGreaterThan(50)
    expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  })

  it('adopts after kill -9 what ran, with its network, and clears the rest', async () => {
    const specs = [world.spec(await world.root()), world.spec(await world.root())]
    await serve(specs, 'up')
    await restart()
    expect((await world.runtime.list()).map(({ id }) => id).sort()).toEqual(specs.map(({ id }) => id).sort())
    const [kept, killed] = specs as [IncarnationSpec, IncarnationSpec]
    const guest = await world.runtime.attach(kept.id)
    expect(await sh(guest, 'echo hello')).toBe('0 hello')
    await world.runtime.setNetwork(kept.id, {
      internet: true,
      allow: [],
      deny: [],
      allowDomains: [],
      precedence: 'deny',
    })
    await world.runtime.kill(killed.id)
    const slots = tracesOf(world.serverIndex, world.stateDir).filter((trace) => /^sp\d+v/.test(trace))
    expect(slots.length).toBeGreaterThanOrEqual(1)

    world.crash(kept.id)
    await expect.poll(() => world.exits).toMatchObject([{ id: kept.id, reason: 'runtime_exited' }])
    world.exits.length = 0
  })

  it('knows what it had paused, also if it died before it could write it down', async () => {
    const spec = world.spec(await world.root())
    await serve([spec], 'paused', 'pause')
    await restart()
    expect(await world.runtime.list()).toEqual([{ id: spec.id, paused: true }])
    await world.runtime.resume(spec.id)

    const paths = incarnationPaths(world.stateDir, spec.id)
    await world.runtime.pause(spec.id)
    await world.runtime.close()
    writePaused(paths, 'unknown')
    await world.runtime.open()
    expect(await world.runtime.list()).toEqual([{ id: spec.id, paused: true }])
    await world.runtime.resume(spec.id)
    const guest = await world.runtime.attach(spec.id)
    expect(await sh(guest, 'echo resumed')).toBe('0 resumed')
  })

  it.each(['hang', 'hang-after'] as const)('removes a start that was cut off (%s)', async (fault) => {
    const spec = world.spec(await world.root())
    faulty.set('run', fault)
    await serve([spec], 'open')
    const ofSandbox = () => tracesOf(world.serverIndex, world.stateDir).filter((t) => /^process|[0-9a-f]{24}/.test(t))
    const running = fault === 'hang' ? 1 : 3
    await expect
      .poll(() => ofSandbox().filter((trace) => trace.startsWith('process')).length)
      // The server names the state directory in its own arguments.
      .toBeGreaterThan(running)
    await expect.poll(() => faulty.children()).toHaveLength(1)
    await restart()
    expect(await world.runtime.list()).toEqual([])
    expect(ofSandbox()).toEqual([])
    expect(faulty.children()).toEqual([])
  })

  it('removes what was prepared, with the runsc that waits to set it going', async () => {
    const spec = world.spec(await world.root())
    await serve([spec], 'up', 'prepare')
    const waiting = () => findByArgument(logPipe(incarnationPaths(world.stateDir, spec.id).pipes))
    await expect.poll(waiting).toHaveLength(1)
    await restart()
    expect(await world.runtime.list()).toEqual([])
    expect(tracesOf(world.serverIndex, world.stateDir).filter((t) => /^process|[0-9a-f]{24}/.test(t))).toEqual([])
  })

  it('ends the runsc that waited for a checkpoint to come, and no other', async () => {
    const spec = world.spec(await world.root())
    const { memoryDir } = await world.pool.stageSnapshot(newId<SnapshotId>())
    await serve([spec], 'expecting', `expect ${memoryDir}`)
    const waiting = () => findByArgument(logPipe(incarnationPaths(world.stateDir, spec.id).pipes))
    await expect.poll(waiting).toHaveLength(1)
    await restart()
    expect(waiting()).toEqual([])
    expect(await sh(await world.runtime.attach(spec.id), 'echo runs')).toBe('0 runs')
    expect(readdirSync(memoryDir)).toEqual([])
  })

  it('starts beside what survives SIGKILL, and tells of its end when that has come', async () => {
    const [box, other] = [await world.boot(), await world.boot()]
    const [, gofer] = world.record(box.id).processes
    await using frozen = freeze(gofer as HostProcess)
    await world.runtime.close()
    world.crash(box.id)
    await world.runtime.open()
    expect((await world.runtime.list()).map(({ id }) => id).sort()).toEqual([box.id, other.id].sort())
    await expect(world.runtime.attach(box.id)).rejects.toMatchObject({ code: 'runtime_failed' })
    await expect(world.runtime.kill(box.id)).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(await sh(await world.runtime.attach(other.id), 'echo runs')).toBe('0 runs')
    await world.reopen()
    expect(world.exits).toEqual([])
    await frozen[Symbol.asyncDispose]()
    await expect.poll(() => world.exits, { timeout: 20_000 }).toMatchObject([{ id: box.id, reason: 'runtime_exited' }])
    world.exits.length = 0
    expect((await world.runtime.list()).map(({ id }) => id)).toEqual([other.id])
    await expect.poll(() => tracesOf(world.serverIndex, world.stateDir).join()).not.toContain(box.id)
  })

  it('tells of an end when all of it is dead', async () => {
    const box = await world.boot()
    const [, gofer] = world.record(box.id).processes
    await using frozen = freeze(gofer as HostProcess)
    world.crash(box.id)
    const found = () => world.runtime.attach(box.id).catch(({ code }: { code: string }) => code)
    await expect.poll(found).toBe('runtime_failed')
    expect([await world.runtime.list(), world.exits]).toEqual([[{ id: box.id, paused: false }], []])
    await frozen[Symbol.asyncDispose]()
    await world.runtime.kill(box.id)
    expect([await world.runtime.list(), world.exits]).toEqual([[], []])
  })

  it('says so where what was being started does not die', async () => {
    const spec = world.spec(await world.root())
    faulty.set('run', 'hang-after')
    const started = world.runtime.start(spec).catch(({ code }: { code: string }) => code)
    const gofer = () => findByArgument(incarnationPaths(world.stateDir, spec.id).dir).find(isGofer)
    await expect.poll(gofer).toBeDefined()
    await using frozen = freeze(gofer() as HostProcess)
    await expect(world.runtime.kill(spec.id)).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(await started).toBe('runtime_failed')
    expect(await world.runtime.list()).toEqual([{ id: spec.id, paused: false }])
    await frozen[Symbol.asyncDispose]()
    await world.runtime.kill(spec.id)
    expect(await world.runtime.list()).toEqual([])
  })

  it('takes nothing for alive that lived before the host was restarted', async () => {
    const box = await world.boot()
    const { processes } = world.record(box.id)
    await world.runtime.close()
    const { record } = incarnationPaths(world.stateDir, box.id)
    writeFileSync(record, readFileSync(record, 'utf8').replace(/"bootId":"[^"]*"/, '"bootId":"another"'))
    await world.runtime.open()
    expect(await world.runtime.list()).toEqual([])
    expect(processes.filter(isAlive)).toEqual([])
  })

  it('does not take the bare names of namespaces for namespaces', async () => {
    const { serverIndex } = world
    await world.runtime.close()
    const names = [emptyNamespaceName(serverIndex), namespaceName(serverIndex, 0)]
    for (const name of names) writeFileSync(namespacePath(name), '')
    await world.runtime.open()
    expect(world.serverIndex).toBe(serverIndex)
    const box = await world.boot()
    expect(await sh(box.guest, 'echo up')).toBe('0 up')
  })

  it('does not share its state directory, and gets a number of its own beside others', async () => {
    const twin = new GvisorRuntime(world.options)
    await expect(twin.open()).rejects.toMatchObject({ code: 'unavailable' })
    await using other = await World.open(real, { readySlots: 1 })
    expect(other.serverIndex).not.toBe(world.serverIndex)
    const [mine, theirs] = await Promise.all([world.boot(), other.boot()])
    await other.reopen()
    expect(await sh(mine.guest, 'echo mine')).toBe('0 mine')
    expect(await sh(await other.runtime.attach(theirs.id), 'echo theirs')).toBe('0 theirs')
    await other.runtime.kill(theirs.id)
    await other.runtime.close()
    expect(await world.runtime.list()).toEqual([{ id: mine.id, paused: false }])
    expect(await sh(mine.guest, 'echo still')).toBe('0 still')
  })
})

function isGofer({ pid }: HostProcess): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('\0gofer\0')
}

/**
 * A process that is frozen dies of nothing until it is let go. In control groups of version 2 it does, but the freezer of version 1
 * is none of their controllers: it can be mounted beside them.
 */
function freeze({ pid }: HostProcess): AsyncDisposable {
  const freezer = mkdtempSync(`${tmpdir()}/spawnpoint-freezer-`)
  execFileSync('mount', ['-t', 'cgroup', '-o', 'freezer', 'freezer', freezer], { stdio: 'pipe' })
  const group = `${freezer}/spawnpoint-test-${process.pid}`
  mkdirSync(group)
  writeFileSync(`${group}/cgroup.procs`, `${pid}`)
  writeFileSync(`${group}/freezer.state`, 'FROZEN')
  return {
    async [Symbol.asyncDispose]() {
      if (!existsSync(freezer)) return
      writeFileSync(`${group}/freezer.state`, 'THAWED')
      await waitUntilDead([{ pid, startTime: findProcess(pid)?.startTime ?? '' }], 10_000)
      // A process that has just died is in it for a moment.
      await expect.poll(() => removed(group)).toBe(true)
      execFileSync('umount', [freezer], { stdio: 'pipe' })
      rmdirSync(freezer)
    },
  }
}

function removed(group: string): boolean {
  try {
    rmdirSync(group)
    return true
  } catch {
    return false
  }
}

async function read(output: AsyncIterable<ProcessOutput>, bytes: number): Promise<string> {
  let text = ''
  for await (const item of output) {
    if (item.type === 'data') text += item.data
    if (text.length >= bytes) return text
  }
  return text
}
