// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tarOf } from '@spawnpoint/contracts'
import { DockerRegistry, makeImage, tar, USER } from '@spawnpoint/images-oci/testing'
import type { Dockerfile, Image } from 'spawnpoint'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { alpineLike } from './alpine-like.ts'
import { World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.withoutImages()
  writeFileSync(join(world.dataDir, 'imports', 'small.tar'), tar(alpineLike()))
  await world.client.images.build({ name: 'small', tags: ['v1'], source: { type: 'tar', path: 'small.tar' } })
})
afterAll(() => world?.[Symbol.asyncDispose]())

async function build(dockerfile: string, over: Partial<Dockerfile> = {}, name = 'built'): Promise<Image> {
  return world.client.images.build({ name, source: { type: 'dockerfile', dockerfile, ...over } })
}

async function logOf(ref: string): Promise<string[]> {
  const lines: string[] = []
  for await (const { step, message } of world.client.images.log(ref)) lines.push(`${step ?? ''} ${message}`.trim())
  return lines
}

const MULTI_STAGE = `# syntax=docker/dockerfile:1
ARG VERSION=v1
FROM small:\${VERSION} AS build
ARG WHO=nobody
WORKDIR /src
COPY --chown=app:app . .
COPY <<-EOF /usr/bin/hello
	#!/bin/sh
	echo hello \${WHO} from \\$0
	EOF
RUN cat main.sh > /out.sh \\
  # a comment in between
  && /bin/busybox chmod 755 /out.sh /usr/bin/hello
RUN <<EOF
set -e
/bin/busybox od -An -N8 -tx8 /dev/urandom > /number
stat -c '%U %a %n' /src/lib/util /src/main.sh
EOF
USER app
RUN ["/bin/sh", "-c", "id -u; echo mine > /tmp/mine; pwd"]

FROM small:v1 AS tools
RUN exit 9

FROM scratch
COPY --from=build /bin /bin
COPY --from=build /etc /etc
COPY --from=build /lib /lib
COPY --from=build /out.sh /number /tmp/mine /usr/bin/hello /app/
COPY --from=build --chown=1001:1002 --chmod=640 /src/main.sh /app/owned
ADD lib.tar more.tar.xz most.tar.bz2 /unpacked/
ENV GREETING="hello \${VERSION:-there}" PATH=/app:/bin
WORKDIR /app
USER 1001:1002
LABEL tier=test
EXPOSE 8080
ENTRYPOINT ["/bin/sh", "-c", "echo $0 $1 > /tmp/started; exec /bin/busybox sleep 1000"]
CMD ["one", "two"]
`

const packed = (program: string, input: Buffer) => execFileSync(program, ['--stdout'], { input })

async function context(main = '#!/bin/sh\necho main\n'): Promise<string> {
  return world.client.blobs.upload(
    tarOf([
      { name: 'main.sh', data: main, mode: 0o755 },
      { name: 'lib/util', data: 'util', mode: 0o600 },
      { name: 'lib.tar', data: tarOf([{ name: 'inner', data: 'inner' }]) },
      { name: 'more.tar.xz', data: packed('xz', tarOf([{ name: 'more', data: 'more' }])) },
      { name: 'most.tar.bz2', data: packed('bzip2', tarOf([{ name: 'most', data: 'most' }])) },
      { name: 'secret', data: 'not sent on' },
      { name: '.dockerignore', data: 'secret\n' },
    ]),
  )
}

let first: Image
it('is built in stages, and its sandboxes are what it says', async () => {
  first = await build(MULTI_STAGE, { context: await context(), buildArgs: { WHO: 'you' } })
  expect(first).toMatchObject({
    state: 'ready',
    startsFromMemory: false,
    labels: { tier: 'test' },
    defaults: {
      user: '1001:1002',
      workdir: '/app',
      exposedPorts: [8080],
      env: { GREETING: 'hello there', PATH: '/app:/bin' },
    },
  })
  expect(first.defaults.startCommand.slice(-2)).toEqual(['one', 'two'])
  const log = await logOf(first.id)
  expect(log).toEqual(
    expect.arrayContaining([
      '[build 1/7] FROM small:${VERSION} AS build',
      '[build 3/7] COPY --chown=app:app . .',
      '[build 6/7] app 600 /src/lib/util',
      '[build 7/7] 1001',
      '[build 7/7] /src',
      '[stage-2 4/7] COPY --from=build /out.sh /number /tmp/mine /usr/bin/hello /app/',
    ]),
  )
  expect(log.some((line) => line.startsWith('[tools'))).toBe(false)
  await using sandbox = await world.client.sandboxes.create({ image: first.id })
  const said = await sandbox.run(
    'id -u; pwd; echo $GREETING; out.sh; hello; cat /unpacked/*; stat -c "%u:%g %a %n" mine owned out.sh; ls /src 2>&1',
  )
  expect(said.stdout.split('\n')).toEqual([
    ...['1001', '/app', 'hello there', 'main', 'hello you from /app/hello'],
    ...['innermoremost1001:1002 644 mine', '1001:1002 640 owned', '0:0 755 out.sh'],
    ...['ls: /src: No such file or directory', ''],
  ])
  await expect.poll(() => sandbox.files.readText('/tmp/started').catch(() => '')).toBe('one two\n')
  expect(await world.client.snapshots.list().toArray()).toEqual([])
  expect((await world.client.images.list().toArray()).map(({ name }) => name)).toEqual(['built', 'small'])
})

it('is not built again where nothing has changed', async () => {
  const again = await build(MULTI_STAGE, { context: await context(), buildArgs: { WHO: 'you' } })
  const steps = (await logOf(again.id)).filter(
    (line) => /^\[\S+ \d+\/\d+\] (cached: )?[A-Z]/.test(line) && !line.includes('FROM'),
  )
  expect(steps.length).toBeGreaterThan(10)
  expect(steps.filter((line) => !line.includes('cached'))).toEqual([])
  const number = async (image: Image) => {
    await using sandbox = await world.client.sandboxes.create({ image: image.id })
    return await sandbox.files.readText('/app/number')
  }
  const kept = await number(first)
  expect(await number(again)).toBe(kept)
  const other = await build(MULTI_STAGE, { context: await context('echo other\n'), buildArgs: { WHO: 'you' } })
  expect(await number(other)).not.toBe(kept)
})

it('pulls what it begins with from a registry, once, with its entrypoint', async () => {
  await using registry = await DockerRegistry.start({ auth: true })
  const config = {
    User: 'app',
    Entrypoint: ['/bin/sh', '-c', 'echo "$0" > /tmp/said; exec /bin/busybox sleep 1000'],
    Cmd: ['old'],
  }
  await registry.push('team/tools', 'v1', makeImage({ layers: [{ entries: alpineLike() }], config }))
  const reference = `${registry.host}/team/tools:v1`
  const text = `FROM ${reference}\nRUN id -u\nRUN <<END\n#!/bin/busybox sh\necho by $((6 * 7)) as $(id -u)\nEND\nCOPY --from=${reference} /etc/group /group\nCMD ["new"]\n`
  const { message } = await build(text).then(
    () => ({ message: '' }),
    (error: Error) => error,
  )
  expect(message).toMatch(/^Dockerfile:1: /)
  await world.client.registries.create({ name: 'here', url: `http://${registry.host}`, ...USER })
  const image = await build(text)
  expect(image.defaults).toMatchObject({ entrypoint: config.Entrypoint, startCommand: [...config.Entrypoint, 'new'] })
  const [pulled, ...more] = await world.client.images.list({ name: 'tools', states: ['ready'] }).toArray()
  expect(pulled).toMatchObject({ tags: ['tools:v1'], source: { reference } })
  expect(image.parentImageId).toBe(pulled?.id)
  expect(more).toEqual([])
  await using sandbox = await world.client.sandboxes.create({ image: image.id })
  expect((await sandbox.run('id -u; cat /group')).stdout).toBe('1001\nroot:x:0:\napp:x:1002:\n')
  expect(await logOf(image.id)).toEqual(expect.arrayContaining(['[2/4] 1001', '[3/4] by 42 as 1001']))
  await expect.poll(() => sandbox.files.readText('/tmp/said').catch(() => '')).toBe('new\n')
  await build(text)
  expect(await world.client.images.list({ name: 'tools', states: ['ready'] }).toArray()).toHaveLength(1)
})

it('that fails says where', async () => {
  const failing = build('FROM small:v1\nRUN echo reason; ls /nowhere\n', {}, 'fails')
  await expect(failing).rejects.toMatchObject({
    code: 'build_failed',
    message: 'Dockerfile:2: [2/2] failed with exit code 1',
  })
  const log = await logOf((await world.client.images.list({ name: 'fails' }).toArray())[0]?.id ?? '')
  expect(log).toContain('[2/2] reason')
  expect(log).toContain('[2/2]    2 | >>> RUN echo reason; ls /nowhere')
})

it('is undone when the server dies, and the next build goes on from its layers', async () => {
  const text = 'FROM small:v1\nRUN echo 1 > /1\nRUN echo 2 > /2\n'
  world.crashAt('image.build.image')
  const cut = build(text, {}, 'cut').catch(() => null) // its server dies
  expect(await world.diedDuring(cut)).toBe(true)
  await world.startServer()
  expect(world.incarnations()).toEqual([])
  expect((await world.client.images.list({ name: 'cut' }).toArray())[0]).toMatchObject({ state: 'failed' })
  const image = await build(text, {}, 'cut')
  expect((await logOf(image.id)).filter((line) => line.includes('cached'))).toHaveLength(2)
})

it('a step has a cache that later builds find again, with owners, links and modes, and no image has', async () => {
  const cache = '--mount=type=cache,target=/var/cache/app,uid=1001,gid=1002,mode=0750'
  const fill = 'echo kept > kept; ln -s kept link; chmod 600 kept'
  await build(`FROM small:v1\nWORKDIR /var/cache/app\nUSER app\nRUN ${cache} ${fill}\n`, {}, 'cached')
  const look = 'stat -c "%u:%g %a %n" . kept; cat link'
  const image = await build(`FROM small:v1\nWORKDIR /var/cache/app\nUSER app\nRUN ${cache} ${look}\n`, {}, 'cached')
  expect(await logOf(image.id)).toEqual(
    expect.arrayContaining(['[3/3] 1001:1002 750 .', '[3/3] 1001:1002 600 kept', '[3/3] kept']),
  )
  await using sandbox = await world.client.sandboxes.create({ image: image.id })
  expect((await sandbox.run('ls -A /var/cache/app /var/cache', { check: true })).stdout).toBe(
    '/var/cache:\napp\n\n/var/cache/app:\n',
  )
})

it('a step has files and secrets of its own, of which no image has any', async () => {
  const mounts = [
    '--mount=target=/lent,source=lib',
    `--mount=from=${first.id},source=/app/out.sh,target=/opt/tool`,
    '--mount=type=secret,id=token,uid=1001',
    '--mount=type=secret,id=token,env=TOKEN',
  ]
  const look = 'stat -c "%u %a %n" /lent/util /opt/tool /run/secrets/token; test "$TOKEN" = "$(cat /run/secrets/token)"'
  const dockerfile = `FROM small:v1\nUSER root\nRUN ${mounts.join(' ')} ${look} && touch /lent/mine\n`
  const source = { type: 'dockerfile' as const, dockerfile, context: await context() }
  const image = await world.client.images.build({ name: 'lent', source, secrets: { token: 'hunter2' } })
  expect((await logOf(image.id)).filter((line) => /^\[2\/2\] \d+ \d+ \//.test(line))).toEqual([
    '[2/2] 0 600 /lent/util',
    expect.stringMatching(/ 755 \/opt\/tool$/),
    '[2/2] 1001 400 /run/secrets/token',
  ])
  expect(JSON.stringify(image)).not.toContain('hunter2')
  await using sandbox = await world.client.sandboxes.create({ image: image.id })
  const found = 'find /lent /opt /run/secrets /.spawnpoint-* | sort; grep -rl hunter2 /etc /opt /root /srv 2>/dev/null'
  expect((await sandbox.run(found)).stdout).toBe('/lent\n/opt\n/opt/tool\n')
})
