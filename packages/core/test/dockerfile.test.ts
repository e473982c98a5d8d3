import { Readable } from 'node:stream'
import { tarOf } from '@spawnpoint/contracts'
import { describe, expect, it } from 'vitest'
import type { BuildImageRequest, Core, DockerfileSource, Guest, Image } from '../src/index.ts'
import { World } from './world.ts'

async function begin(options: { fakeTime?: boolean } = {}) {
  const world = new World()
  const core = await world.server(options)
  const upload = async (files: Parameters<typeof tarOf>[0]) => {
    const key = `x:${Object.keys(world.host.blobs).length}-${files.length}-${Math.random().toString(36).slice(2)}`
    await core.blobs.put(world.by, key, Readable.from([tarOf(files)]))
    return key
  }
  const start = (dockerfile: string, over: Partial<DockerfileSource> = {}, request: Partial<BuildImageRequest> = {}) =>
    core.images.build(world.by, { name: 'built', ...request, source: { type: 'dockerfile', dockerfile, ...over } })
  const build = async (...given: Parameters<typeof start>) => (await start(...given)).done
  const log = async (ref: string) =>
    (await core.images.log(world.by, ref, { offset: 0, limit: 1_000 })).map(({ step, message }) =>
      step === null ? message : `${step} ${message}`,
    )
  return { world, core, upload, start, build, log }
}

async function inside(world: World, core: Core, image: Image): Promise<Guest> {
  const sandbox = await (await core.sandboxes.create(world.by, { image: image.id })).done
  return (await core.sandboxes.guest(world.by, sandbox.id)).guest
}

async function read(guest: Guest, path: string): Promise<string> {
  const { body } = await guest.files.read(path)
  return (await body.toArray()).join('')
}

const ran = (world: World) =>
  world.host.faults.log.filter(({ step }) => step === 'guest.processes.startAndFollow').map(({ detail }) => detail)

it('an image that is to go only if nobody uses it goes or is used, whoever comes first', async () => {
  const { world, core, build } = await begin()
  for (let round = 0; round < 5; round += 1) {
    const image = await build('FROM base\n')
    const [made, gone] = await Promise.allSettled([
      core.sandboxes.create(world.by, { image: image.id }).then(({ done }) => done),
      core.images.delete(world.by, image.id, { ifUnused: true }),
    ])
    expect([made.status, gone.status].sort()).toEqual(['fulfilled', 'rejected'])
    if (gone.status === 'rejected') expect(gone.reason).toMatchObject({ code: 'in_use' })
  }
  expect(await world.disagreements(core)).toEqual([])
})

describe('a Dockerfile', () => {
  it('comes to an image, step by step', async () => {
    const { world, core, upload, build, log } = await begin()
    const context = await upload([
      { name: 'app', type: 'directory' },
      { name: 'app/main', data: 'main\n', mode: 0o755 },
      { name: 'README', data: 'read me\n' },
    ])
    const text = `
ARG BASE=base
FROM $BASE
USER root
ARG COLOUR=green
ENV SHADE=dark-$COLOUR
WORKDIR /srv
COPY --chmod=700 app bin
COPY README .
RUN echo $SHADE $COLOUR > colour ; whoami
USER nobody
LABEL maintainer=somebody
EXPOSE 8080 53/udp
ENTRYPOINT ["sleep"]
CMD ["1000", "1"]
`
    const image = await build(text, { context }, { labels: { tier: 'a' } })
    expect(image).toMatchObject({
      state: 'ready',
      bootSnapshotId: null,
      parentImageId: (await core.images.get(world.by, 'base')).id,
      labels: { tier: 'a', maintainer: 'somebody' },
      defaults: {
        user: 'nobody',
        workdir: '/srv',
        env: { SHADE: 'dark-green' },
        startCommand: ['sleep', '1000', '1'],
        entrypoint: ['sleep'],
        exposedPorts: [8080],
      },
    })
    expect(image.defaults.env).not.toHaveProperty('COLOUR')
    expect(await log(image.id)).toEqual([
      '[1/5] FROM $BASE',
      '[2/5] WORKDIR /srv',
      '[3/5] COPY --chmod=700 app bin',
      '[3/5] 1 entries, 5 bytes',
      '[4/5] COPY README .',
      '[4/5] 1 entries, 8 bytes',
      '[5/5] RUN echo $SHADE $COLOUR > colour ; whoami',
      '[5/5] root',
      'The image is ready',
    ])
    const guest = await inside(world, core, image)
    expect(await read(guest, '/srv/colour')).toBe('dark-green green\n')
    expect(await guest.files.stat('/srv/bin/main')).toMatchObject({ mode: 0o700, owner: 'root' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('has caches that outlive a build, and are in no image', async () => {
    const { world, core, build } = await begin()
    const first = `FROM base
USER root
RUN mkdir /c ; echo own > /c/own
RUN --mount=type=cache,target=/c,id=x --mount=type=tmpfs,target=/t echo kept > /c/kept ; echo gone > /t/gone ; mkdir /c/dir
`
    const made = await inside(world, core, await build(first))
    expect(await read(made, '/c/own')).toBe('own\n')
    await expect(made.files.stat('/c/kept')).rejects.toMatchObject({ code: 'guest_error' })
    expect(await made.files.list('/t', { depth: 1, limit: 10 })).toEqual([])
    const second = 'FROM base\nUSER root\nRUN --mount=type=cache,target=/c,id=x cat /c/kept > /seen\n'
    expect(await read(await inside(world, core, await build(second)), '/seen')).toBe('kept\n')
    const other = 'FROM base\nUSER root\nRUN --mount=type=cache,target=/c,id=y cat /c/kept\n'
    await expect(build(other)).rejects.toMatchObject({ code: 'build_failed' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('runs what it says at the start, also on top of an image whose start is only recorded', async () => {
    const { world, core, build } = await begin()
    const recorded = await build(
      'FROM base\nCMD ["sleep", "1000"]\n',
      {},
      { name: 'recorded', defaults: { idle: true } },
    )
    expect(recorded.defaults).toMatchObject({ startCommand: ['sleep', '1000'], idle: true })
    const begun = async (ref: string) => {
      const { incarnationId } = await (await core.sandboxes.create(world.by, { image: ref })).done
      return world.host.incarnations.get(incarnationId ?? ('' as never))?.machine.identity?.defaults.startCommand
    }
    expect(await begun(recorded.id)).toEqual([])
    const over = await build('FROM recorded\nENV A=1\n')
    expect([over.defaults.idle, await begun(over.id)]).toEqual([undefined, ['sleep', '1000']])
    const source = { type: 'recipe' as const, from: 'recorded', steps: [] }
    const kept = await (await core.images.build(world.by, { name: 'kept', source })).done
    expect([kept.defaults.idle, await begun(kept.id)]).toEqual([true, []])
    const named = { name: 'named', source, defaults: { startCommand: ['sleep', '7'] } }
    const asked = await (await core.images.build(world.by, named)).done
    expect([asked.defaults.idle, await begun(asked.id)]).toEqual([undefined, ['sleep', '7']])
  })

  it('does not wait for ever for a cache, which is then not kept', async () => {
    const { world, core, start, build, log } = await begin({ fakeTime: true })
    const held = world.host.faults.hang('guest.files.pack')
    const text = 'FROM base\nUSER root\nRUN --mount=type=cache,target=/c echo kept > /c/kept\n'
    const { done } = await start(text)
    await held.reached
    await world.host.faults.quiet()
    world.clock.advance(10 * 60_000)
    const image = await done
    held.release()
    expect(await log(image.id)).toContain('[2/2] The cache /c is not kept: The cache /c took longer than 600 s')
    const next = 'FROM base\nUSER root\nRUN --mount=type=cache,target=/c cat /c/kept\n'
    await expect(build(next)).rejects.toMatchObject({ code: 'build_failed' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('is built in as much as its builder is said to have, and its sandboxes have their own', async () => {
    const { world, core, start } = await begin()
    const held = world.host.faults.hang('guest.processes.startAndFollow')
    const resources = { cpus: 1 }
    const { done } = await start('FROM base\nUSER root\nRUN echo 1\n', {}, { resources, builder: { cpus: 2 } })
    await held.reached
    expect((await core.keys.team(world.by)).used.cpus).toBe(2)
    held.release()
    expect((await done).resources).toEqual(resources)
    const most = { ...resources, cpus: 10_000 }
    await expect(start('FROM base\n', {}, { builder: most })).rejects.toMatchObject({ code: 'limit_exceeded' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('lends a step files that are in no image, out of the context and out of a stage', async () => {
    const { world, core, upload, build, log } = await begin()
    const text = `FROM base AS tools
USER root
RUN mkdir /out ; echo tool > /out/tool
FROM base
USER root
RUN mkdir /app ; echo own > /app/own
RUN --mount=target=/app --mount=from=tools,source=/out/tool,target=/tool cat /app/lent > /seen ; cat /tool > /tooled ; echo x > /app/more
`
    const files = (lent: string, rest: string) =>
      upload([
        { name: 'lent', data: lent },
        { name: 'rest', data: rest },
      ])
    const context = await files('lent\n', '1')
    const image = await build(text, { context })
    const guest = await inside(world, core, image)
    expect([await read(guest, '/seen'), await read(guest, '/tooled')]).toEqual(['lent\n', 'tool\n'])
    expect((await guest.files.list('/app', { depth: 1, limit: 9 })).map(({ name }) => name)).toEqual(['own'])
    expect(await read(guest, '/tool')).toBe('')
    expect(
      (await guest.files.list('/', { depth: 1, limit: 99 })).filter(({ name }) => /mount|aside/.test(name)),
    ).toEqual([])
    const before = ran(world).length
    await build(text, { context })
    expect(ran(world).length).toBe(before)
    const again = await build(text, { context: await files('new\n', '1') })
    expect(await read(await inside(world, core, again), '/seen')).toBe('new\n')
    expect((await log(again.id)).filter((line) => line.includes('cached')).length).toBeGreaterThan(0)
    expect(await world.disagreements(core)).toEqual([])
  })

  it('gives a step secrets that are in no record, no key and no image', async () => {
    const { world, core, build } = await begin()
    const text = `FROM base
USER root
RUN --mount=type=secret,id=token --mount=type=secret,id=rc,target=/etc/rc,mode=0600 --mount=type=secret,id=key,env=KEY cat /run/secrets/token > /1 ; cat /etc/rc > /2 ; echo $KEY > /3
`
    const secrets = { token: 'tok-1\n', rc: 'rc-1\n', key: 'key-1' }
    const image = await build(text, {}, { secrets })
    const guest = await inside(world, core, image)
    const seen = [await read(guest, '/1'), await read(guest, '/2'), await read(guest, '/3')]
    expect(seen).toEqual(['tok-1\n', 'rc-1\n', 'key-1\n'])
    expect(await read(guest, '/etc/rc')).toBe('')
    await expect(guest.files.stat('/run/secrets/token')).rejects.toMatchObject({ code: 'guest_error' })
    const told = JSON.stringify([image, await core.operations.list(world.by, {}, { limit: 100 })])
    expect(told).not.toMatch(/(tok|rc|key)-1/)
    // Another value is no reason to run it again.
    const before = ran(world).length
    await build(text, {}, { secrets: { ...secrets, token: 'tok-2' } })
    expect(ran(world).length).toBe(before)
  })

  it('runs without a secret that the request does not have, unless the step requires it', async () => {
    const { core, world, build } = await begin()
    const text = (more: string) => `FROM base\nUSER root\nRUN --mount=type=secret,id=a${more} echo ran > /ran\n`
    expect(await read(await inside(world, core, await build(text(''))), '/ran')).toBe('ran\n')
    await expect(build(text(',required'))).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining("Dockerfile:3: secrets: 'a' is required"),
    })
    const not = { name: 'x', secrets: { a: '1' }, source: { type: 'recipe' as const, from: 'base', steps: [] } }
    await expect(core.images.build(world.by, not)).rejects.toMatchObject({ code: 'invalid_argument' })
    for (const secrets of [{ 'a/b': '1' }, { a: 'x'.repeat(512 * 1024 + 1) }])
      await expect(build('FROM base\n', {}, { secrets })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('is not built again where nothing has changed, and what is not copied does not count', async () => {
    const { world, core, upload, build, log } = await begin()
    const text = 'FROM base\nUSER root\nCOPY a /a\nRUN echo one > /one\nCOPY b /b\nRUN echo two > /two\n'
    const files = (b: string, rest: string) => [
      { name: 'a', data: 'a' },
      { name: 'b', data: b },
      { name: 'rest', data: rest },
    ]
    await build(text, { context: await upload(files('b', '1')) })
    world.host.faults.reset()
    const again = await build(text, { context: await upload(files('b', '2')) })
    expect(ran(world)).toEqual([])
    expect((await log(again.id)).filter((line) => line.includes('cached'))).toHaveLength(4)
    const third = await build(text, { context: await upload(files('other', '2')) })
    expect(ran(world)).toEqual(['/bin/sh -c echo two > /two'])
    expect(await read(await inside(world, core, third), '/b')).toBe('other')
    world.host.faults.reset()
    await build(text, { context: await upload(files('other', '2')), force: true })
    expect(ran(world)).toHaveLength(2)
  })

  it('has stages, of which only those that are needed are built', async () => {
    const { world, core, build, log } = await begin()
    const text = `
FROM base AS build
USER 0:0
RUN echo tool > /tool
FROM build AS unused
RUN echo never > /never
FROM base
COPY --from=build /tool /usr/bin/tool
COPY --from=0 /etc/hostname /copied
RUN cat /usr/bin/tool
`
    const image = await build(text)
    expect((await log(image.id)).filter((line) => /\[\S+ \d+\/\d+\] [A-Z]/.test(line))).toEqual([
      '[build 1/2] FROM base AS build',
      '[build 2/2] RUN echo tool > /tool',
      '[stage-2 1/4] FROM base',
      '[stage-2 2/4] COPY --from=build /tool /usr/bin/tool',
      '[stage-2 3/4] COPY --from=0 /etc/hostname /copied',
      '[stage-2 4/4] RUN cat /usr/bin/tool',
    ])
    expect(await read(await inside(world, core, image), '/usr/bin/tool')).toBe('tool\n')
    world.host.faults.reset()
    const again = await build(text)
    expect(ran(world)).toEqual([])
    expect((await log(again.id)).filter((line) => line.includes('cached'))).toHaveLength(4)
    // The last stage is there, so the first need not be.
    world.host.faults.reset()
    await build(text.replace('cat /usr/bin/tool', 'cat /copied'))
    expect(ran(world)).toEqual(['/bin/sh -c cat /copied'])
    const target = await build(text, { target: 'build' })
    await expect((await inside(world, core, target)).files.stat('/copied')).rejects.toMatchObject({
      code: 'guest_error',
    })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('pulls what is not here, once', async () => {
    const { world, core, build } = await begin()
    const text = 'FROM registry.example/team/tools:v1\nRUN true\n'
    await build(text)
    const [pulled] = (await core.images.list(world.by, { name: 'tools' }, { limit: 10 })).items
    expect(pulled).toMatchObject({
      state: 'ready',
      source: { type: 'oci', reference: 'registry.example/team/tools:v1' },
    })
    await build(text)
    expect((await core.images.list(world.by, { name: 'tools' }, { limit: 10 })).items).toHaveLength(1)
    await build(text, { pull: true })
    expect((await core.images.list(world.by, { name: 'tools' }, { limit: 10 })).items).toHaveLength(2)
  })

  it('may begin with nothing', async () => {
    const { world, core, build, log } = await begin()
    const text = 'FROM base AS build\nUSER root\nRUN echo x > /x\nFROM scratch\nCOPY --from=build / /\nCMD ["/x"]\n'
    const image = await build(text)
    expect(image).toMatchObject({ parentImageId: null, defaults: { startCommand: ['/x'], user: 'root', workdir: '/' } })
    expect(await log(image.id)).toContain('[stage-1 1/1] COPY --from=build / /')
    expect(await world.disagreements(core)).toEqual([])
  })

  it('that fails says where', async () => {
    const { world, core, start, log } = await begin()
    const { value, done } = await start('FROM base\n\nRUN true\nRUN echo reason ; exit 3\nRUN true\n')
    await expect(done).rejects.toMatchObject({
      code: 'build_failed',
      message: 'Dockerfile:4: [3/4] failed with exit code 3',
      context: { step: '[3/4]', exitCode: 3 },
    })
    const lines = await log(value.id)
    expect(lines).toContain('[3/4] reason')
    expect(lines).toContain('[3/4]    4 | >>> RUN echo reason ; exit 3')
    expect(lines.at(-1)).toBe('[3/4] Dockerfile:4: [3/4] failed with exit code 3')
    expect(await core.images.get(world.by, value.id)).toMatchObject({ state: 'failed' })
    expect(await world.disagreements(core)).toEqual([])
  })

  it('that cannot be read is refused at once, and one that asks for what is not there soon after', async () => {
    const { world, core, start, upload } = await begin()
    await expect(start('FROM base\nFOO bar\n')).rejects.toMatchObject({
      code: 'invalid_argument',
      message: 'Dockerfile:2: unknown instruction: FOO',
    })
    await expect(start('FROM base\n', { context: 'x:gone' })).rejects.toMatchObject({ code: 'invalid_argument' })
    expect((await core.images.list(world.by, { name: 'built' }, { limit: 10 })).items).toEqual([])
    const context = await upload([{ name: 'there', data: '' }])
    const { done } = await start('FROM base\nCOPY not-there /\n', { context })
    await expect(done).rejects.toMatchObject({ message: "Dockerfile:2: there is no 'not-there' in the build context" })
  })
})
