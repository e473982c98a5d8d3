import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DockerRegistry, makeImage, USER } from '@spawnpoint/images-oci/testing'
import type { Sandbox, Snapshot } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { REPOSITORY, World } from './world.ts'

/** Counts in memory, told of nothing else; asked by a line, it answers with where it is. */
const COUNTER = 'n=0; while read -r line; do n=$((n + 1)); echo "$line $n"; done'

let registry: DockerRegistry
let here: World
let there: World
let origin: Sandbox
let point: Snapshot
let reference: string
beforeAll(async () => {
  ;[registry, here] = await Promise.all([DockerRegistry.start({ auth: true }), World.withoutImages()])
  const busybox = readFileSync(join(REPOSITORY, '.cache/debian/bin/busybox'))
  const image = makeImage({
    layers: [
      {
        entries: [
          { name: 'bin/busybox', data: busybox, mode: 0o755 },
          ...['sh', 'cat'].map((name) => ({ name: `bin/${name}`, type: 'symlink' as const, link: '/bin/busybox' })),
        ],
      },
    ],
  })
  await registry.push('small', 'v1', image)
  const source = { type: 'oci' as const, reference: `${registry.host}/small:v1` }
  await here.client.images.build({ name: 'small', source, credentials: USER })
  origin = await here.client.sandboxes.create({ image: 'small', env: { WHO: 'origin' } })
  await origin.processes.start(['/bin/sh', '-c', COUNTER], { stdin: true, tag: 'counter', background: true })
  expect(await count(origin)).toBe(1)
  await origin.files.write('/kept', 'on disk')
  await origin.files.write('/tmp/kept', 'in memory')
  point = await origin.snapshot({ kind: 'memory', name: 'ready', labels: { tier: 'a' } })
  reference = `${registry.host}/snapshots/ready:v1`
})
afterAll(async () => {
  await there?.[Symbol.asyncDispose]()
  await here?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
})

async function count(sandbox: Sandbox): Promise<number> {
  const [info] = (await sandbox.processes.list()).filter(({ tag }) => tag === 'counter')
  if (info === undefined) throw new Error('the counter does not run')
  const counter = await sandbox.processes.get(info.id)
  const question = randomUUID()
  await counter.write(`${question}\n`)
  let said = ''
  for await (const piece of counter) {
    if (piece.type !== 'data') continue
    said += Buffer.from(piece.data).toString()
    const [, n] = new RegExp(`^${question} (\\d+)$`, 'm').exec(said) ?? []
    if (n !== undefined) return Number(n)
  }
  throw new Error('the counter has ended')
}

describe('a memory snapshot', () => {
  it('goes out with all it has, and is not taken by a server that does not trust this one', async () => {
    const steps = new Set<string>()
    const pushed = await point.push(
      { reference, credentials: USER },
      { onProgress: ({ progress }) => progress && steps.add(progress.step) },
    )
    expect(pushed).toMatchObject({ reference, digest: expect.stringMatching(/^sha256:/) })
    expect([...steps]).toEqual(expect.arrayContaining(['pack', 'upload']))
    there = await World.withoutImages()
    const key = readFileSync(join(here.dataDir, 'archive.pub'), 'utf8').trim()
    const refused = there.client.snapshots.pull({ reference, credentials: USER })
    await expect(refused).rejects.toMatchObject({ code: 'forbidden', message: expect.stringContaining(key) })
    await expect(there.client.snapshots.pull({ reference })).rejects.toMatchObject({ code: 'forbidden' })
    expect(await there.client.snapshots.list().toArray()).toEqual([])
  })

  it('goes on at a server that does, from the memory that it had', async () => {
    await there.stopServer()
    const key = readFileSync(join(here.dataDir, 'archive.pub'), 'utf8').trim()
    await there.startServer({ env: { SPAWNPOINT_TRUSTED_KEYS: key } })
    const steps = new Set<string>()
    const pulled = await there.client.snapshots.pull(
      { reference, credentials: USER, labels: { from: 'here' } },
      { onProgress: ({ progress }) => progress && steps.add(progress.step) },
    )
    expect([...steps]).toEqual(expect.arrayContaining(['download', 'unpack']))
    expect(pulled.info).toMatchObject({
      name: 'ready',
      kind: 'memory',
      state: 'ready',
      labels: { tier: 'a', from: 'here' },
    })
    expect(pulled.info.requirements).toEqual(point.info.requirements)
    const ran = await point.census()
    expect(ran?.processes.map(({ command }) => command)).toContainEqual(expect.stringContaining('while read -r line'))
    expect(await pulled.census()).toEqual(ran)

    // The origin is gone with its server: nothing is asked of it.
    expect(await count(origin)).toBe(2)
    for (const n of [1, 2]) {
      await using sandbox = await pulled.spawn({ name: `clone-${n}` })
      expect(await count(sandbox)).toBe(2)
      expect(await count(sandbox)).toBe(3)
      expect(await sandbox.files.readText('/kept')).toBe('on disk')
      expect(await sandbox.files.readText('/tmp/kept')).toBe('in memory')
      expect((await sandbox.run('echo $WHO')).stdout).toBe('origin\n')
    }
    await using cold = await pulled.spawn({ cold: true })
    expect(await cold.files.readText('/kept')).toBe('on disk')
    const again = await there.client.sandboxes.create({ snapshot: 'ready' })
    const next = await again.snapshot({ kind: 'memory' })
    expect(next.info.parentId).toBe(pulled.id)
    await again.kill()
  })

  it('that is cut off when the server dies has failed when the next one starts, and can be pulled again', async () => {
    there.crashAt('archive.pull.memory')
    const cut = there.client.snapshots.pull({ reference, credentials: USER, name: 'cut' })
    expect(await there.diedDuring(cut)).toBe(true)
    const key = readFileSync(join(here.dataDir, 'archive.pub'), 'utf8').trim()
    await there.startServer({ env: { SPAWNPOINT_TRUSTED_KEYS: key } })
    await cut.catch(() => {}) // its server is dead
    const [record] = await there.client.snapshots.list({ name: 'cut' }).toArray()
    expect(record).toMatchObject({ state: 'failed' })
    const again = await there.client.snapshots.pull({ reference, credentials: USER, name: 'cut' })
    await using sandbox = await again.spawn()
    expect(await count(sandbox)).toBe(2)
  })
})
