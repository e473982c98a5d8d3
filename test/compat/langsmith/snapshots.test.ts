import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DockerRegistry, makeImage, USER } from '@spawnpoint/images-oci/testing'
import { Langsmith } from 'langsmith'
import { type Sandbox, SandboxClient } from 'langsmith/sandbox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { alpineLike } from '../../e2e/alpine-like.ts'
import { VendorWorld } from '../vendor-world.ts'

const GIB = 2 ** 30
const IMAGE = makeImage({
  layers: [{ entries: alpineLike([{ name: 'home/app/', type: 'dir', uid: 1001, gid: 1002, mode: 0o755 }]) }],
  config: { User: 'app', WorkingDir: '/home/app', Env: ['FROM_IMAGE=yes'], Cmd: ['/bin/sh'] },
})

let vendor: VendorWorld
let registry: DockerRegistry
let client: SandboxClient
let generated: Langsmith
beforeAll(async () => {
  registry = await DockerRegistry.start({ auth: true })
  vendor = await VendorWorld.start()
  client = new SandboxClient()
  generated = new Langsmith({ baseURL: `${vendor.world.url}/langsmith` })
  await registry.push('internal/tools', '1.2', IMAGE)
})
afterAll(async () => {
  await vendor?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
})

const reference = () => `${registry.host}/internal/tools:1.2`

async function out(box: Sandbox, command: string): Promise<string> {
  const { stdout, stderr, exit_code } = await box.run(command)
  expect([exit_code, stderr]).toEqual([0, ''])
  return stdout.trim()
}

it('snapshots are built from Dockerfiles', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-context-'))
  try {
    writeFileSync(
      join(dir, 'Dockerfile'),
      'FROM base\nARG WHO\nUSER root\nCOPY a /a\nRUN echo hello $WHO | tee /said\n',
    )
    writeFileSync(join(dir, 'a'), 'from the context\n')
    let log = ''
    const snapshot = await client.createSnapshotFromDockerfile('filed', 'Dockerfile', 11 * GIB, {
      context: dir,
      buildArgs: { WHO: 'you' },
      onBuildLog: (text) => {
        log += text
      },
    })
    expect(snapshot).toMatchObject({ name: 'filed', status: 'ready', fs_capacity_bytes: 11 * GIB })
    expect(log).toContain('[3/3] RUN echo hello $WHO | tee /said\n[3/3] hello you\n')
    const box = await client.createSandbox({ snapshotName: 'filed' })
    expect(await out(box, 'cat /a /said')).toBe('from the context\nhello you')
    await box.delete()
    writeFileSync(join(dir, 'Dockerfile'), 'FROM base\nRUN exit 3\n')
    log = ''
    const failing = client.createSnapshotFromDockerfile('fails', 'Dockerfile', {
      context: dir,
      onBuildLog: (text) => {
        log += text
      },
    })
    await expect(failing).rejects.toMatchObject({ name: 'LangSmithResourceCreationError' })
    expect(log).toContain('Dockerfile:2: [2/2] failed with exit code 3')
    expect((await client.listSandboxes()).map(({ name }) => name)).toEqual([])
  } finally {
    rmSync(dir, { recursive: true })
  }
})

describe('registries', () => {
  it('are stored without their password ever coming back, and are what private images are built with', async () => {
    await expect(client.createSnapshot('closed', reference(), GIB)).rejects.toMatchObject({
      name: 'LangSmithResourceCreationError',
    })
    const url = `http://${registry.host}`
    const stored = await client.registries.create({ name: 'private', url, ...USER })
    expect(stored).toMatchObject({ name: 'private', url })
    expect(JSON.stringify(stored)).not.toContain(USER.password)
    expect(await client.registries.retrieve('private')).toEqual(stored)
    expect((await client.registries.list()).items).toEqual([stored])
    await expect(client.registries.create({ name: 'private', url })).rejects.toMatchObject({ status: 409 })
    expect((await client.registries.update('private', { name: 'renamed' })).name).toBe('renamed')

    const snapshot = await client.createSnapshot('tools', reference(), 11 * GIB, { registryId: stored.id ?? '' })
    expect(snapshot).toMatchObject({
      name: 'tools',
      status: 'ready',
      docker_image: reference(),
      image_digest: IMAGE.manifest.digest,
      fs_capacity_bytes: 11 * GIB,
      registry_id: stored.id,
      run_config: { user: 'app', work_dir: '/home/app', env_vars: { FROM_IMAGE: 'yes' } },
    })
    await client.registries.delete('renamed')
    await expect(client.registries.retrieve('renamed')).rejects.toMatchObject({ status: 404 })

    const box = await client.createSandbox(snapshot.id, { runConfig: { env_vars: { OWN: '1' } } })
    expect(box.fs_capacity_bytes).toBe(11 * GIB)
    // The image has no bash, which the client asks for.
    expect(await out(box, 'id -un; pwd; echo $FROM_IMAGE $OWN')).toBe('app\n/home/app\nyes 1')
    await expect(client.deleteSnapshot(snapshot.id)).rejects.toThrow('in use')
    await box.delete()
    await client.deleteSnapshot(snapshot.id)
    await expect(client.getSnapshot(snapshot.id)).rejects.toMatchObject({ name: 'LangSmithResourceNotFoundError' })
  })
})

describe('captured snapshots', () => {
  it('hold the files and nothing that runs', async () => {
    const box = await client.createSandbox({ name: 'source', runConfig: { env_vars: { OWN: '1' } } })
    await box.write('/opt/config.yaml', 'model: x\n')
    await out(box, 'sleep 1000 >/dev/null 2>&1 & echo gone > /tmp/gone')
    const snapshot = await box.captureSnapshot('ready-made', { fsCapacityBytes: 11 * GIB })
    expect(snapshot).toMatchObject({ name: 'ready-made', status: 'ready', source_sandbox_id: box.id })
    expect(snapshot).not.toHaveProperty('memory_snapshot_size_bytes')
    await box.delete()
    const next = await client.createSandbox(undefined, { snapshotName: 'ready-made' })
    expect([snapshot.fs_capacity_bytes, next.fs_capacity_bytes]).toEqual([11 * GIB, 11 * GIB])
    expect(await out(next, 'cat /opt/config.yaml; echo $OWN; ls /tmp; pgrep -c sleep || true; whoami')).toBe(
      'model: x\n1\n0\nroot',
    )
    await expect(client.createSandbox(snapshot.id, { restoreMemory: true })).rejects.toThrow('no memory')
    await expect(client.deleteSnapshot(snapshot.id)).rejects.toThrow('alive')
    await next.delete()
    await client.deleteSnapshot(snapshot.id)
  })

  it('hold memory too on request, which boxes go on from unless told otherwise', async () => {
    const box = await client.createSandbox({ name: 'with-memory' })
    await out(box, 'sleep 1000 >/dev/null 2>&1 & echo $! > /opt/pid')
    const begun = await generated.sandboxes.boxes.createSnapshot('with-memory', {
      name: 'frozen',
      include_memory: true,
      tag: 'v1',
    })
    const snapshot = await client.waitForSnapshot(begun.id ?? '')
    expect(snapshot).toMatchObject({ memory_snapshot_size_bytes: expect.any(Number), tags: ['v1'] })
    const warm = await client.createSandbox(undefined, { snapshotName: 'frozen:v1', restoreMemory: true })
    expect(await out(warm, 'ps -o args= -p $(cat /opt/pid)')).toBe('sleep 1000')
    const cold = await client.createSandbox(snapshot.id, { restoreMemory: false })
    expect(await out(cold, 'pgrep -c sleep || true')).toBe('0')
    for (const one of [box, warm, cold]) await one.delete()
  })

  it('are listed in pages, by parts of their names, and found by name and tag', async () => {
    const box = await client.createSandbox()
    const made: string[] = []
    for (const name of ['ml-a', 'ml-b', 'ML-c'.toLowerCase()]) made.push((await box.captureSnapshot(name)).id)
    const second = await box.captureSnapshot('ml-a')
    expect((await client.listSnapshots({ nameContains: 'ML-', limit: 2 })).map(({ id }) => id)).toEqual([
      second.id,
      made[2],
    ])
    expect((await client.listSnapshots({ nameContains: 'ml-', limit: 2, offset: 2 })).map(({ id }) => id)).toEqual([
      made[1],
      made[0],
    ])
    await expect(client.listSnapshots({ limit: 501 })).rejects.toMatchObject({ name: 'LangSmithValidationError' })
    const all: (string | undefined)[] = []
    for await (const one of generated.sandboxes.snapshots.list({ name_contains: 'ml-', page_size: 3, sort_by: 'name' }))
      all.push(one.name)
    expect(all).toEqual(['ml-a', 'ml-a', 'ml-b', 'ml-c'])
    expect((await generated.sandboxes.snapshots.retrieve('ml-a')).id).toBe(second.id)
    expect((await generated.sandboxes.snapshots.retrieve('ml-b:latest')).id).toBe(made[1])
    expect(await generated.sandboxes.snapshots.retrieveByName('ml-a')).toMatchObject({
      name: 'ml-a',
      tags: [{ tag: 'latest', snapshot_id: second.id }],
    })
    await box.delete()
  })
})

describe('the generated client', () => {
  it('lists boxes in pages and by labels', async () => {
    const boxes = await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        client.createSandbox({ name: `box-${name}`, labels: { team: name === 'a' ? 'red' : 'blue' } }),
      ),
    )
    const names: (string | undefined)[] = []
    for await (const box of generated.sandboxes.boxes.list({ page_size: 1, label: ['team=blue'], sort_by: 'name' }))
      names.push(box.name)
    expect(names).toEqual(['box-b', 'box-c'])
    for (const box of boxes) await box.delete()
  })
})
