import { tarOf } from '@spawnpoint/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BuildError, CancelledError, NotFoundError, Spawnpoint, WrongStateError } from './index.ts'
import { openServerWorld, type ServerWorld } from './testing/server-world.ts'

let world: ServerWorld
let client: Spawnpoint

const QUICK = { baseMs: 5, maxMs: 50 }

beforeAll(async () => {
  world = await openServerWorld()
  client = new Spawnpoint({ url: world.url, apiKey: world.key, retry: QUICK })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

describe('sandboxes', () => {
  test('lives until the end of the block', async () => {
    let id = ''
    {
      await using sandbox = await client.sandboxes.create({ image: 'base', name: 'block', labels: { a: 'b' } })
      id = sandbox.id
      expect(sandbox.state).toBe('running')
      expect(sandbox.info.createdAt).toBeInstanceOf(Date)
      expect((await client.sandboxes.get('block')).id).toBe(id)
      expect(await client.sandboxes.list({ labels: { a: 'b' } }).toArray()).toHaveLength(1)
    }
    await expect(client.sandboxes.get('block')).rejects.toThrow(NotFoundError)
    const [ended] = await client.sandboxes.list({ states: ['killed'] }).toArray(1)
    expect(ended?.id).toBe(id)
  })

  test('disposing of one that is gone already is fine', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    await sandbox.kill()
    expect(sandbox.state).toBe('killed')
  })

  test('pauses, resumes, stops and starts', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    expect((await sandbox.pause()).state).toBe('paused')
    const refused = sandbox.run('echo hi')
    await expect(refused).rejects.toThrow(WrongStateError)
    await expect(refused).rejects.toMatchObject({ code: 'wrong_state', context: { state: 'paused' }, status: 409 })
    expect((await sandbox.resume()).state).toBe('running')
    expect((await sandbox.stop()).state).toBe('stopped')
    expect((await sandbox.start()).state).toBe('running')
  })

  test('is renamed, labelled and extended', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    await sandbox.update({ name: 'other', labels: { x: '1' } })
    expect(sandbox.info).toMatchObject({ name: 'other', labels: { x: '1' } })
    await sandbox.extend(60_000)
    const left = (sandbox.info.expiresAt?.getTime() ?? 0) - Date.now()
    expect(left).toBeGreaterThan(50_000)
    expect(left).toBeLessThanOrEqual(60_000)
    expect((await sandbox.extend(null)).info.expiresAt).toBeNull()
    expect((await sandbox.metrics({ inside: true })).inside).not.toBeNull()
  })

  test('rests by its policies, and comes back with a timeout or by its use', async () => {
    await using sandbox = await client.sandboxes.create({
      image: 'base',
      ingress: { default: 'token', ports: { 8080: 'open' } },
      timeout: { onTimeout: 'stop', autoResume: true, deleteAfterMs: 60_000 },
    })
    expect(sandbox.info.ingress).toEqual({ default: 'token', ports: { 8080: 'open' }, hostHeader: null })
    await sandbox.update({ env: { A: '1' }, ingress: { hostHeader: 'localhost' } })
    expect(sandbox.info).toMatchObject({ env: { A: '1' }, ingress: { default: 'token', hostHeader: 'localhost' } })
    expect((await sandbox.pause()).info.haltedAt).toBeInstanceOf(Date)
    expect((await sandbox.run('echo woken')).stdout).toBe('woken\n')
    expect((await sandbox.refresh()).state).toBe('running')
    await sandbox.stop()
    expect((await sandbox.start({ timeoutMs: 60_000 })).info).toMatchObject({ timeout: { timeoutMs: 60_000 } })
    const { expiresAt } = sandbox.info
    await sandbox.update({ timeout: { timeoutMs: 1_000 }, extendOnly: true })
    expect(sandbox.info.expiresAt).toEqual(expiresAt)
    await sandbox.pause()
    expect((await sandbox.resume({ timeoutMs: null })).info.expiresAt).toBeNull()
  })

  test('goes back to what it was started from', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    await sandbox.files.write('mine', 'x')
    await using spawned = await (await sandbox.snapshot()).spawn()
    await spawned.files.remove('mine')
    await spawned.rollback({ origin: true })
    expect(await spawned.files.readText('mine')).toBe('x')
    expect(spawned.info.sourceSnapshotId).toBe(spawned.info.originSnapshotId)
    await sandbox.rollback({ origin: true })
    expect(await sandbox.files.exists('mine')).toBe(false)
  })

  test('tells what it has used, and its token', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const [sample] = await sandbox.metricsHistory()
    expect(sample).toMatchObject({ at: expect.any(Date), cpus: 1, memoryTotalBytes: 2 ** 30 })
    expect(await sandbox.metricsHistory({ from: new Date(Date.now() + 60_000) })).toEqual([])
    expect(await sandbox.ingressToken()).toEqual({
      header: 'spawnpoint-token',
      token: expect.stringMatching(/^\w{64}$/),
    })
  })

  test('a list fetches its pages as it is read', async () => {
    const made = await Promise.all(
      Array.from({ length: 5 }, () => client.sandboxes.create({ image: 'base', labels: { page: 'yes' } })),
    )
    const ids: string[] = []
    for await (const sandbox of client.sandboxes.list({ labels: { page: 'yes' } }, { pageSize: 2 }))
      ids.push(sandbox.id)
    expect(ids.toSorted()).toEqual(made.map(({ id }) => id).toSorted())
    const sizes = []
    for await (const page of client.sandboxes.list({ labels: { page: 'yes' } }, { pageSize: 2 }).pages())
      sizes.push(page.length)
    expect(sizes).toEqual([2, 2, 1])
    expect(await client.sandboxes.list({ labels: { page: 'yes' } }, { pageSize: 2 }).toArray(3)).toHaveLength(3)
    await Promise.all(made.map((sandbox) => sandbox.kill()))
  })
})

describe('snapshots', () => {
  test('go on from the moment they were taken, any number of times', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const holder = await sandbox.processes.start(['holder', 'before'], { stdin: true })
    await sandbox.files.write('note', 'one')
    const snapshot = await sandbox.snapshot({ name: 'point', labels: { k: 'v' } })
    expect(snapshot).toMatchObject({ name: 'point', kind: 'memory', state: 'ready' })
    expect(snapshot.receipt?.steps.length).toBeGreaterThan(0)

    await holder.write('after\n')
    await sandbox.files.write('note', 'two')

    const spawned = await snapshot.spawn({ count: 2, labels: { spawned: 'yes' } })
    expect(spawned).toHaveLength(2)
    for (const copy of spawned) {
      const same = await copy.processes.get(holder.id)
      await same.write('? t\n')
      for await (const piece of same) {
        if (piece.type === 'data' && Buffer.from(piece.data).includes('t: before')) break
      }
      expect(await copy.files.readText('note')).toBe('one')
      await copy.kill()
    }
    expect(await sandbox.files.readText('note')).toBe('two')

    await sandbox.rollback(snapshot)
    expect(await sandbox.files.readText('note')).toBe('one')

    expect((await client.snapshots.get('point')).id).toBe(snapshot.id)
    expect(await sandbox.snapshots().toArray()).toHaveLength(1)
    expect(await client.snapshots.list({ labels: { k: 'v' } }).toArray()).toHaveLength(1)
    expect((await snapshot.check()).info).toMatchObject({ checkedAt: expect.any(Date), checkFailure: null })
    expect((await snapshot.drill({ probe: ['false'] })).info.checkFailure).toContain('exit code 1')
    expect((await snapshot.drill()).info).toMatchObject({ verifiedAt: expect.any(Date), checkFailure: null })
    expect(snapshot.info.storage).toBeNull()
    expect(await client.storage()).toBeNull()
    await snapshot.update({ ttlMs: 60_000 })
    expect(snapshot.info.expiresAt).toBeInstanceOf(Date)

    expect(await snapshot.deletePlan()).toMatchObject({ purgeAt: expect.any(Date), blocked: null, waitsFor: [] })
    expect((await snapshot.deletePlan({ permanent: true })).purgeAt).toBeNull()
    await snapshot.delete()
    expect(snapshot.info).toMatchObject({ state: 'trashed', trashedAt: expect.any(Date), purgeAt: expect.any(Date) })
    await expect(client.snapshots.get('point')).rejects.toThrow(NotFoundError)
    expect(await client.snapshots.list({ labels: { k: 'v' } }).toArray()).toEqual([])
    expect(await client.snapshots.list({ states: ['trashed'] }).toArray()).toMatchObject([{ id: snapshot.id }])
    expect((await client.snapshots.undelete('point')).info).toMatchObject({ state: 'ready', trashedAt: null })
    expect((await client.snapshots.get('point')).id).toBe(snapshot.id)
    expect((await client.snapshots.delete('point'))?.state).toBe('trashed')
    expect(await client.snapshots.delete(snapshot.id, { permanent: true })).toBeNull()
    await expect(client.snapshots.get(snapshot.id)).rejects.toThrow(NotFoundError)
  })

  test('forks', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const forks = await sandbox.fork(3)
    expect(forks).toHaveLength(3)
    expect(new Set(forks.map(({ id }) => id)).size).toBe(3)
    for (const fork of forks) expect(fork.info.parentSandboxId).toBe(sandbox.id)
    const some = await sandbox
      .forkSome({ count: 2, children: [{ name: 'twin' }, { name: 'twin' }] })
      .catch((error) => error)
    if (Array.isArray(some)) {
      expect(some.filter(({ error }) => error !== null)).toHaveLength(1)
      for (const { sandbox: child } of some) await child?.kill()
    } else expect(some).toMatchObject({ code: 'name_taken' })
    await Promise.all(forks.map((fork) => fork.kill()))
  })
})

describe('the rest', () => {
  test('images are built step by step, and found by tags', async () => {
    const archive = tarOf([{ name: 'notes', data: 'from here' }])
    const blob = await client.blobs.upload(archive)
    expect(blob).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(await client.blobs.upload(archive)).toBe(blob)
    const image = await client.images.build({
      name: 'stepped',
      tags: ['v1'],
      source: {
        type: 'recipe',
        from: 'base',
        steps: [
          { type: 'copy', blob, source: 'notes', destination: '/srv/' },
          { type: 'run', command: 'cat /srv/notes' },
        ],
      },
    })
    expect(image).toMatchObject({ tags: ['stepped:v1'], startsFromMemory: false, parentImageId: expect.any(String) })
    const messages: string[] = []
    for await (const entry of client.images.log('stepped:v1')) {
      expect(entry.at).toBeInstanceOf(Date)
      messages.push(entry.message)
    }
    expect(messages).toContain('from here')
    const name = await client.names.tag('stepped', 'default', { image: image.id })
    expect(name.tags.map(({ tag }) => tag).sort()).toEqual(['default', 'v1'])
    await using sandbox = await client.sandboxes.create({ from: name.id })
    expect(sandbox.info.image.id).toBe(image.id)
    expect((await client.names.list().toArray()).map(({ id }) => id)).toContain(name.id)
    await client.names.untag('stepped', 'v1')
    expect((await client.names.get('stepped')).tags).toHaveLength(1)
    await client.names.delete('stepped')
    await expect(client.names.get('stepped')).rejects.toThrow(NotFoundError)
    const source = { type: 'recipe', from: 'stepped', steps: [{ type: 'run', command: 'exit 5' }] } as const
    await expect(client.images.build({ name: 'bad', source: { ...source, steps: [...source.steps] } })).rejects.toThrow(
      BuildError,
    )
    await client.images.delete('stepped')
    await client.blobs.delete(blob)
    expect(await client.blobs.has(blob)).toBe(false)
  })

  test('a build is cancelled, and told so', async () => {
    const steps = [{ type: 'run' as const, command: 'echo begun ; sleep 1000' }]
    const building = client.images.build({ name: 'endless', source: { type: 'recipe', from: 'base', steps } })
    const ended = expect(building).rejects.toThrow(CancelledError)
    const found = async () => (await client.images.list({ name: 'endless' }).toArray())[0]?.id ?? ''
    await expect.poll(found).not.toBe('')
    const id = await found()
    expect(await client.images.cancel(id)).toMatchObject({ state: 'failed', failure: 'The build was cancelled' })
    await ended
    await expect(client.images.cancel('base')).rejects.toMatchObject({ code: 'wrong_state' })
    await client.images.delete(id)
  })

  test('images are built of Dockerfiles, and kept while they are used', async () => {
    const context = tarOf([
      { name: 'docker/Dockerfile', data: 'FROM base\nARG WHO\nCOPY a /a\nCMD ["sleep", "9"]\n' },
      { name: 'a', data: 'a' },
    ])
    const request = { name: 'filed', context, path: 'docker/Dockerfile', buildArgs: { WHO: 'me' } }
    const image = await client.images.buildDockerfile({ ...request, tags: ['v1'], labels: { tier: 'a' } })
    expect(image).toMatchObject({
      tags: ['filed:v1'],
      labels: { tier: 'a' },
      defaults: { startCommand: ['sleep', '9'] },
    })
    const again = await client.images.buildDockerfile({ ...request, context: 'x:unknown' }).catch((error) => error)
    expect(again).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('was not uploaded') })
    const sandbox = await client.sandboxes.create({ image: image.id })
    expect(await sandbox.files.readText('/a')).toBe('a')
    await expect(client.images.delete(image.id, { ifUnused: true })).rejects.toMatchObject({ code: 'in_use' })
    await sandbox.kill()
    await client.images.delete(image.id, { ifUnused: true })
  })

  test('images are built, with progress, and deleted', async () => {
    const phases: string[] = []
    const image = await client.images.build(
      { name: 'built', source: { type: 'debian', suite: 'bookworm', packages: [] } },
      { onProgress: ({ operation }) => phases.push(operation.state) },
    )
    expect(image).toMatchObject({ name: 'built', state: 'ready' })
    expect(phases.at(-1)).toBe('done')
    expect((await client.images.list({ name: 'built' }).toArray()).map(({ id }) => id)).toEqual([image.id])
    await client.images.delete('built')
    await expect(client.images.get('built')).rejects.toThrow(NotFoundError)
  })

  test('what goes out and comes in', async () => {
    const sandbox = await client.sandboxes.create({ image: 'base' })
    const reference = 'registry.example/point:1'
    const snapshot = await sandbox.snapshot({ kind: 'memory' })
    expect(await client.images.push(snapshot.id, { reference })).toMatchObject({ reference })
    expect(await snapshot.push({ reference })).toMatchObject({ reference, digest: expect.any(String) })
    const pulled = await client.snapshots.pull({ reference, name: 'back' })
    expect(pulled.info).toMatchObject({ name: 'back', state: 'ready' })
    await expect(client.snapshots.pull({ reference: 'a/none' })).rejects.toThrow(NotFoundError)
    await sandbox.kill()
  })

  test('registries', async () => {
    const made = await client.registries.create({ name: 'ours', url: 'ghcr.io', username: 'ci', password: 'secret' })
    expect(made).toMatchObject({ url: 'https://ghcr.io', username: 'ci', createdAt: expect.any(Date) })
    expect(await client.registries.get('ours')).toEqual(made)
    expect(await client.registries.list({ nameContains: 'our' }).toArray()).toEqual([made])
    expect(await client.registries.update('ours', { password: null })).toMatchObject({ id: made.id })
    await client.registries.delete(made.id)
    await expect(client.registries.get('ours')).rejects.toThrow(NotFoundError)
  })

  test('secrets', async () => {
    const made = await client.secrets.set('TOKEN', { value: 'secret', hosts: ['API.example.com'] })
    expect(made).toMatchObject({ name: 'TOKEN', hosts: ['api.example.com'], createdAt: expect.any(Date) })
    expect(await client.secrets.get('TOKEN')).toEqual(made)
    expect(await client.secrets.set('TOKEN', { value: 'other' })).toMatchObject({ hosts: [], version: 2 })
    expect(await client.secrets.list({ nameContains: 'tok' }).toArray()).toMatchObject([{ name: 'TOKEN' }])
    await client.secrets.delete('TOKEN')
    await expect(client.secrets.get('TOKEN')).rejects.toThrow(NotFoundError)
  })

  test('schedules', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const made = await client.schedules.create({ sandbox: sandbox.id, cron: '0 4 * * 1', keep: { weekly: 8 } })
    expect(made).toMatchObject({ kind: 'memory', timeZone: 'UTC', keep: { weekly: 8, last: null }, lastTick: null })
    expect(made.nextAt?.getUTCDay()).toBe(1)
    expect(await client.schedules.list({ sandbox: sandbox.id }).toArray()).toEqual([made])
    expect(await client.schedules.update(made.id, { enabled: false })).toEqual({
      ...made,
      enabled: false,
      nextAt: null,
    })
    await client.schedules.delete(made.id)
    await expect(client.schedules.get(made.id)).rejects.toThrow(NotFoundError)
  })

  test('keys', async () => {
    const { key, secret } = await client.keys.create({ name: 'second' })
    const other = new Spawnpoint({ url: world.url, apiKey: secret })
    expect((await other.keys.team()).id).toBe((await client.keys.team()).id)
    await client.keys.revoke(key.id)
    await expect(other.keys.team()).rejects.toMatchObject({ name: 'AuthenticationError', code: 'unauthenticated' })
    const found = (await client.keys.list().toArray()).find(({ id }) => id === key.id)
    expect(found === undefined || found.revokedAt !== null).toBe(true)
  })

  test('events follow over a restart without a gap', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const seen: string[] = []
    for await (const event of client.events.follow({ sandbox: sandbox.id })) {
      expect(event.at).toBeInstanceOf(Date)
      seen.push(event.type)
      if (seen.length === 1) {
        await world.restart()
        await sandbox.pause()
        await sandbox.resume()
      }
      if (event.type === 'sandbox.running' && seen.includes('sandbox.resuming')) break
    }
    const listed = (await client.events.list({ sandbox: sandbox.id }, { pageSize: 2 }).toArray()).map(
      ({ type }) => type,
    )
    expect(seen).toEqual(listed)
  })

  test('events from now on come without what was before, over a restart too', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const begun = Promise.withResolvers<void>()
    const watched: typeof fetch = async (...request) => {
      const response = await fetch(...request)
      begun.resolve() // the answer's head comes after the server has looked what was the latest
      return response
    }
    const other = new Spawnpoint({ url: world.url, apiKey: world.key, retry: QUICK, fetch: watched })
    const seen: string[] = []
    const following = (async () => {
      for await (const { type } of other.events.follow({ sandbox: sandbox.id, after: 'now' })) {
        seen.push(type)
        if (type === 'sandbox.running') return
      }
    })()
    await begun.promise
    await world.restart()
    await sandbox.pause()
    await sandbox.resume()
    await following
    expect(seen).toEqual(['sandbox.pausing', 'sandbox.paused', 'sandbox.resuming', 'sandbox.running'])
  })

  test('ports', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    expect(sandbox.url(8080, 'x')).toBe(`${world.url}/v1/sandboxes/${sandbox.id}/ports/8080/x`)
    const response = await sandbox.fetch(8080, '/')
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({ code: 'port_closed' })
    const domained = new Spawnpoint({ url: world.url, apiKey: world.key, domain: 'box.example' })
    expect((await domained.sandboxes.get(sandbox.id)).url(80)).toBe(`http://80-${sandbox.id}.box.example/`)
  })
})

test('the server met no failure of its own', () => {
  const own = world.failures.filter((failure) => !('code' in failure) || failure.code !== 'port_closed')
  expect(own).toEqual([])
})
