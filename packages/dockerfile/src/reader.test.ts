// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { type TarFile, tarOf } from '@spawnpoint/contracts'
import type { DockerfileSource, ImageDefaults } from '@spawnpoint/core'
import { unpackTar } from 'modern-tar'
import { describe, expect, it } from 'vitest'
import { DockerfileFrontEnd } from './reader.ts'

const GIB = 2 ** 30
const BASE: ImageDefaults = {
  env: { PATH: '/opt/bin:/bin', HOME: '/root' },
  user: 'app',
  workdir: '/work',
  startCommand: ['/init', 'serve'],
  entrypoint: ['/init'],
}

async function read(dockerfile: string, files: TarFile[] | Buffer = [], over: Partial<DockerfileSource> = {}) {
  const archive = Buffer.isBuffer(files) ? files : tarOf(files)
  const source = { type: 'dockerfile' as const, dockerfile, context: 'x:context', ...over }
  const build = await new DockerfileFrontEnd().read(source, async () => Readable.from([archive]), { maxBytes: GIB })
  const plan = build.plan(new Map(build.images.map(({ name }) => [name, BASE])))
  const steps = plan.stages.flatMap((stage) => stage.steps.map(({ step }) => step))
  return { build, plan, steps }
}

/** What a step unpacks: `name type mode content-or-target`. */
async function packed(build: Awaited<ReturnType<typeof read>>['build'], blob: string | undefined): Promise<string[]> {
  const bytes = Buffer.concat(await build.pack(blob ?? '').toArray())
  const entries = await unpackTar(bytes, { strict: true })
  return entries.map(({ header, data }) =>
    [header.name, header.type, (header.mode ?? 0).toString(8), header.linkname || Buffer.from(data ?? []).toString()]
      .join(' ')
      .trim(),
  )
}

const lines = (...each: string[]) => ['FROM base', ...each].join('\n')

describe('ARG and ENV', () => {
  const value = async (text: string, over: Partial<DockerfileSource> = {}) => {
    const { steps } = await read(`${text}\nENV RESULT=$X`, [], over)
    const last = steps.at(-1)
    return last?.type === 'env' ? last.env.RESULT : undefined
  }
  it.each([
    ['an ARG has its default', 'FROM base\nARG X=a', {}, 'a'],
    ['a build argument wins over it', 'FROM base\nARG X=a', { X: 'b' }, 'b'],
    ['nobody gets one that is not asked for', 'FROM base', { X: 'b' }, ''],
    ['ENV wins over ARG', 'FROM base\nENV X=e\nARG X=a', { X: 'b' }, 'e'],
    ['a global ARG counts for FROM alone', 'ARG X=g\nFROM base', {}, ''],
    ['unless the stage asks for it', 'ARG X=g\nFROM base\nARG X', {}, 'g'],
    ['whose own default wins', 'ARG X=g\nFROM base\nARG X=own', {}, 'own'],
    ['an ARG may be made of others', 'FROM base\nARG Y=1\nARG X=a$Y', {}, 'a1'],
    ['a stage has those of the stage it begins with', 'FROM base AS one\nARG X=a\nFROM one', {}, 'a'],
    ['and others have not', 'FROM base AS one\nARG X=a\nFROM base', {}, ''],
    [
      'the platform is known where it is asked for',
      'FROM base\nARG TARGETARCH\nENV X=$TARGETARCH',
      {},
      process.arch === 'x64' ? 'amd64' : process.arch,
    ],
    ['the image’s own ENV counts', 'FROM base\nENV X=/x:$PATH', {}, '/x:/opt/bin:/bin'],
    ['variables of one ENV are those before it', 'FROM base\nENV X=1\nENV X=2 Y=$X X=$X', {}, '1'],
    ['an ENV without = has the rest of the line', 'FROM base\nENV X a  b', {}, 'a  b'],
  ])('%s', async (_, text, buildArgs, expected) => {
    expect(await value(text, { buildArgs })).toBe(expected)
  })

  it('are what a RUN finds, ARG for itself alone', async () => {
    const { steps, plan } = await read(lines('ARG A=1', 'ARG NONE', 'ENV B=2', 'RUN x'), [], {
      buildArgs: { HTTPS_PROXY: 'p', OTHER: 'o' },
    })
    expect(steps.at(-1)).toMatchObject({ args: ['/bin/sh', '-c', 'x'], env: { A: '1', HTTPS_PROXY: 'p' } })
    expect(steps.at(-1)).not.toHaveProperty('env.B')
    expect(plan.warnings).toEqual(['Dockerfile: no ARG asks for the build arguments OTHER'])
  })

  it('say what a stage begins with', async () => {
    const { build } = await read('ARG T=v1\nFROM ${T:+image:$T} AS a\nFROM a\nCOPY --from=tool:v2 /x /')
    expect(build.images).toEqual([
      { name: 'image:v1', line: 2 },
      { name: 'tool:v2', line: 4 },
    ])
  })
})

describe('CMD and ENTRYPOINT', () => {
  it.each([
    ['are the image’s', [], ['/init', 'serve']],
    ['CMD alone stands after its entrypoint', ['CMD ["a"]'], ['/init', 'a']],
    ['ENTRYPOINT alone takes its command away', ['ENTRYPOINT ["e"]'], ['e']],
    ['both in either order', ['CMD ["a"]', 'ENTRYPOINT ["e"]'], ['e', 'a']],
    ['the last of each counts', ['CMD ["a"]', 'CMD ["b"]'], ['/init', 'b']],
    ['as text are for the shell', ['ENTRYPOINT exec $X', 'CMD []'], ['/bin/sh', '-c', 'exec $X']],
    ['that SHELL names', ['SHELL ["/bin/bash", "-c"]', 'ENTRYPOINT []', 'CMD a b'], ['/bin/bash', '-c', 'a b']],
    ['that is no JSON after all', ['ENTRYPOINT []', "CMD ['a']"], ['/bin/sh', '-c', "['a']"]],
  ])('%s', async (_, text, startCommand) => {
    const { plan } = await read(lines(...text))
    expect(plan.start).toMatchObject({ startCommand })
  })
})

describe('RUN', () => {
  it.each([
    ['as a JSON array needs no shell', 'RUN ["a", "b c"]', ['a', 'b c']],
    ['as text is for the shell', 'RUN a \\\n  && b', ['/bin/sh', '-c', 'a   && b']],
    ['with a script', 'RUN <<EOF\na $B\nc\nEOF', ['/bin/sh', '-c', 'a $B\nc\n']],
    ['with a script that is indented', 'RUN <<-EOF\n\ta\n\tEOF', ['/bin/sh', '-c', 'a\n']],
    ['with a program and its input', 'RUN cat <<EOF > /x\na\nEOF', ['/bin/sh', '-c', 'cat <<EOF > /x\na\nEOF\n']],
  ])('%s', async (_, text, args) => {
    const { steps } = await read(lines(text))
    expect(steps).toEqual([expect.objectContaining({ type: 'run', args })])
  })

  it('with a script of another language is run by that', async () => {
    const { steps } = await read(lines('RUN <<EOF', '#!/usr/bin/python3', 'print(1)', 'EOF'))
    expect(steps[0]).toMatchObject({ args: ['/bin/sh', '-c', expect.any(String), '#!/usr/bin/python3\nprint(1)\n'] })
  })
})

describe('COPY', () => {
  const FILES: TarFile[] = [
    { name: 'app', type: 'directory', mode: 0o750 },
    { name: 'app/main.js', data: 'main', mode: 0o755 },
    { name: 'app/lib/util.js', data: 'util' },
    { name: 'link', type: 'symlink', target: 'app/main.js' },
    { name: 'a.txt', data: 'a' },
    { name: 'b.txt', data: 'b' },
    { name: 'Dockerfile', data: 'FROM base' },
  ]

  it.each([
    ['a file', 'COPY a.txt /x', { source: 'a.txt', destination: '/x', user: '0:0' }, ['a.txt file 644 a']],
    ['with an owner', 'COPY --chown=1000 a.txt /x', { user: '1000:1000' }, ['a.txt file 644 a']],
    ['with a mode', 'COPY --chmod=0600 a.txt /x', { source: 'a.txt' }, ['a.txt file 600 a']],
    ['a link as what it leads to', 'COPY link /x/', { source: 'link' }, ['link file 755 main']],
    [
      'the content of a directory',
      'COPY app .',
      { source: '.', destination: './' },
      ['lib/ directory 755', 'main.js file 755 main', 'lib/util.js file 644 util'],
    ],
    [
      'what a pattern matches',
      'COPY *.txt /x/',
      { source: '.', destination: '/x//' },
      ['a.txt file 644 a', 'b.txt file 644 b'],
    ],
    ['several', 'COPY a.txt ./app/main.js /x/', { source: '.' }, ['main.js file 755 main', 'a.txt file 644 a']],
    ['a JSON array', 'COPY ["a.txt", "/x y/"]', { destination: '/x y/' }, ['a.txt file 644 a']],
    ['by variables', 'ARG F=b\nCOPY ${F}.txt /x', { source: 'b.txt' }, ['b.txt file 644 b']],
    [
      'without some',
      'COPY --exclude=**/util.js app /x',
      { source: '.' },
      ['lib/ directory 755', 'main.js file 755 main'],
    ],
    ['a heredoc', 'ARG A=1\nCOPY <<EOF /x\n$A "b"\nEOF', { source: 'EOF', destination: '/x' }, ['EOF file 644 1 "b"']],
    ['one as it stands', "COPY <<'x' /d/\n$A\nx", { source: 'x', destination: '/d/' }, ['x file 644 $A']],
  ])('%s', async (_, text, step, entries) => {
    const { build, steps } = await read(lines(text), FILES)
    const last = steps.at(-1)
    expect(last).toMatchObject({ type: 'copy', ...step })
    const found = await packed(build, last?.type === 'copy' ? last.blob : undefined)
    expect(found.sort()).toEqual([...entries].sort())
  })

  it('has a key that follows from what is copied', async () => {
    const key = async (files: TarFile[], text = 'COPY app /x') => (await read(lines(text), files)).plan.blobs[0]
    const same = await key(FILES)
    expect(await key([...FILES, { name: 'more', data: 'x' }])).toBe(same)
    expect(await key([...FILES].reverse())).toBe(same)
    expect(await key(FILES.with(1, { name: 'app/main.js', data: 'Main', mode: 0o755 }))).not.toBe(same)
    expect(await key(FILES.with(1, { name: 'app/main.js', data: 'main', mode: 0o700 }))).not.toBe(same)
    expect(await key(FILES, 'COPY --chmod=700 app /x')).not.toBe(same)
  })

  it('from a stage keeps owners', async () => {
    const { plan } = await read('FROM base AS a\nFROM scratch\nCOPY --from=a /x /y /z/\nCOPY --chown=b --from=0 x /')
    expect(plan.stages[1]?.steps).toMatchObject([
      { from: { stage: 0 }, label: '[stage-1 1/2]', step: { source: 'x', destination: '/z/', keepOwners: true } },
      { from: { stage: 0 }, label: '[stage-1 1/2]', step: { source: 'y', destination: '/z/', keepOwners: true } },
      { from: { stage: 0 }, label: '[stage-1 2/2]', step: { source: 'x', user: 'b' } },
    ])
  })

  it('ADD unpacks archives', async () => {
    const inner = tarOf([{ name: 'in', data: 'x' }])
    const { build, steps } = await read(lines('ADD in.tar.gz a.txt /d/'), [
      { name: 'in.tar.gz', data: gzipSync(inner) },
      { name: 'a.txt', data: 'a' },
    ])
    expect(steps).toMatchObject([
      { source: '.', destination: '/d//', blob: expect.stringMatching(/^dockerfile:bare-/) },
      { source: 'a.txt', destination: '/d/' },
    ])
    const blob = steps[0]?.type === 'copy' ? (steps[0].blob ?? '') : ''
    expect(Buffer.concat(await build.pack(blob).toArray())).toEqual(gzipSync(inner))
  })

  it('has nothing that is ignored, in archives of any kind', async () => {
    const files: TarFile[] = [...FILES, { name: '.dockerignore', data: 'app\n*.txt\n!b.txt\nDockerfile\n' }]
    const { build, steps } = await read(lines('COPY . /'), gzipSync(tarOf(files)))
    const found = await packed(build, steps[0]?.type === 'copy' ? steps[0].blob : undefined)
    expect(found.map((entry) => entry.split(' ')[0]).sort()).toEqual(['.dockerignore', 'b.txt', 'link'])
    await expect(read(lines('COPY a.txt /'), files)).rejects.toMatchObject({
      message: expect.stringMatching(/Dockerfile:2/),
    })
  })

  it('finds hard links, and nothing beyond the context', async () => {
    const { build, steps } = await read(lines('COPY two /x'), [
      { name: 'one', data: '1' },
      { name: 'two', type: 'link', target: 'one' },
    ])
    expect(await packed(build, steps[0]?.type === 'copy' ? steps[0].blob : undefined)).toEqual(['two file 644 1'])
    const out = [{ name: 'out', type: 'symlink' as const, target: '../../etc/passwd' }]
    await expect(read(lines('COPY out /x'), out)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(read(lines('COPY x /x'), [{ name: '../x', data: '' }])).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    await expect(read(lines('COPY ../../a.txt /x'), FILES)).resolves.toBeDefined()
  })
})

describe('stages', () => {
  it('that are not needed are not there', async () => {
    const text = 'FROM base AS a\nRUN 1\nFROM base AS b\nRUN 2\nFROM a AS c\nRUN 3'
    const titles = async (target?: string) =>
      (await read(text, [], { target })).plan.stages.map(({ title, label }) => `${label} ${title}`)
    expect(await titles()).toEqual(['[a 1/2] FROM base AS a', '[c 1/2] FROM a AS c'])
    expect(await titles('B')).toEqual(['[1/2] FROM base AS b'])
    expect(await titles('0')).toEqual(['[1/2] FROM base AS a'])
  })

  it('go on with what the one before said', async () => {
    const { plan } = await read(
      'FROM base AS a\nWORKDIR /a\nEXPOSE 80 90-91/tcp 53/udp\nLABEL x=1 "y z"=2\nFROM a\nLABEL x=3',
    )
    expect(plan).toMatchObject({ start: { exposedPorts: [80, 90, 91] }, labels: { x: '3', 'y z': '2' } })
  })
})

it('directories for one step are its own, by the names that it gives them', async () => {
  const mounts = [
    '--mount=type=cache,target=/root/.cache,sharing=locked',
    '--mount=type=cache,id=$NAME,dst=work,mode=1777,uid=7',
    '--mount=target=/t,type=tmpfs,size=1000',
  ]
  const { plan } = await read(lines('ARG NAME=mine', `RUN ${mounts.join(' ')} make`))
  expect(plan.stages.at(-1)?.steps.at(-1)?.step).toMatchObject({
    args: ['/bin/sh', '-c', 'make'],
    mounts: [
      { target: '/root/.cache', cache: '/root/.cache' },
      { target: 'work', cache: 'mine', mode: 0o1777, owner: '7:0' },
      { target: '/t', cache: null },
    ],
  })
  expect(plan.warnings).toEqual([])
})

it('files for one step come before it, out of the context, a stage or an image, and leave no layer', async () => {
  const text = `FROM base AS build
FROM build AS unused
FROM base
RUN --mount=target=/src,source=dir --mount=type=bind,from=build,source=/out/app,target=/app,rw --mount=from=other:v1,target=/all true
`
  const { plan, build } = await read(text, [{ name: 'dir/a', data: '1' }])
  expect(build.images.map(({ name }) => name)).toEqual(['base', 'other:v1'])
  expect(plan.stages.map(({ title }) => title)).toEqual(['FROM base AS build', 'FROM base'])
  const steps = plan.stages.at(-1)?.steps ?? []
  expect(steps.map(({ from }) => from)).toEqual([null, { stage: 0 }, { image: 'other:v1' }, null])
  expect(new Set(steps.map(({ label }) => label))).toEqual(new Set(['[stage-2 2/2]']))
  const held = [0, 1, 2].map((n) => `/.spawnpoint-mount-${n}`)
  expect(steps.map(({ step }) => step)).toMatchObject([
    { type: 'copy', passing: true, destination: `${held[0]}/`, user: '0:0' },
    { type: 'copy', passing: true, source: 'out/app', destination: held[1], keepOwners: true },
    { type: 'copy', passing: true, source: '.', destination: held[2], keepOwners: true },
    {
      type: 'run',
      mounts: [
        { target: '/src', cache: null, held: held[0] },
        { target: '/app', cache: null, held: held[1] },
        { target: '/all', cache: null, held: held[2] },
      ],
    },
  ])
})

it('secrets are asked for by their ids', async () => {
  const mounts = [
    '--mount=type=secret,id=token',
    '--mount=type=secret,target=/root/.npmrc,required,uid=7,mode=0440',
    '--mount=type=secret,id=key,env=KEY,required=false',
  ]
  const { plan } = await read(lines(`RUN ${mounts.join(' ')} make`))
  expect(plan.stages.at(-1)?.steps.at(-1)?.step).toMatchObject({
    secrets: [
      { id: 'token', required: false, target: '/run/secrets/token', env: null, mode: 0o400, owner: '0:0' },
      { id: '.npmrc', required: true, target: '/root/.npmrc', env: null, mode: 0o440, owner: '7:0' },
      { id: 'key', required: false, target: null, env: 'KEY' },
    ],
  })
})

describe('what is not supported', () => {
  it.each([
    ['RUN --mount=type=ssh true', /type=ssh is not supported/],
    ['RUN --mount=target=/x,from=9 true', /no stage 9/],
    ['RUN --mount=target=/x,source=none true', /there is no 'none' in the build context/],
    ['RUN --mount=target=/x,from=base,source=../y true', /leads out/],
    ['RUN --mount=type=secret true', /needs an id/],
    ['RUN --mount=type=secret,id=x,env=1 true', /not a variable/],
    ['RUN --mount=type=cache true', /type=cache needs a target/],
    ['RUN --mount=type=cache,target=/ true', /needs a target/],
    ['RUN --mount=type=cache,target=/x,from=base true', /type=cache,from is not supported/],
    ['RUN --mount=type=cache,target=/x,uid=me true', /uid is a number/],
    ['RUN --mount=type=cache,target=/x*,id=y true', /backslash in its target/],
    ['RUN --network=none true', /--network=none is not supported/],
    ['RUN --security=insecure true', /--security is not supported/],
    ['ADD https://x.example/y /z', /only files of the context/],
    ['COPY --parents a /b', /--parents is not supported/],
    ['COPY --chmod=u+x a /b', /--chmod wants digits/],
    ['COPY a b /c', /ends with/],
    ['COPY a', /needs a source/],
    ['COPY --from=9 a /b', /no stage 9/],
    ['WORKDIR', /needs something/],
    ['ENV X', /has no value/],
    ['EXPOSE 99999', /not a port/],
    ['SHELL sh', /JSON array/],
    ['ARG 1=2', /not a name/],
    ['USER ${X:?missing}', /X: missing/],
    ['FROM --platform=linux/s390x x', /do not run here/],
    ['FROM x AS base AS y', /is written/],
    ['BOGUS', /unknown instruction/],
  ])('%s', async (text, message) => {
    const refused = read(lines(text))
    await expect(refused).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(message) })
    await expect(refused).rejects.toThrow(/^Dockerfile:2: /)
  })

  it('but harmless is told of', async () => {
    const { plan } = await read(lines('HEALTHCHECK NONE', 'VOLUME /x'))
    expect(plan.warnings.map((warning) => warning.split(' is ')[0])).toEqual([
      'Dockerfile:2: HEALTHCHECK',
      'Dockerfile:3: VOLUME',
    ])
  })

  it.each([
    ['no FROM', 'ARG A=1', /1: there is no FROM/],
    ['something before FROM', 'RUN x', /1: RUN before FROM/],
    ['no such target', 'FROM base', /no stage 'x'/],
  ])('%s', async (_, text, message) => {
    await expect(read(text, [], { target: 'x' })).rejects.toMatchObject({ message: expect.stringMatching(message) })
  })
})

describe('what is meant to take long', () => {
  it('is refused', async () => {
    const many = Array.from({ length: 3_000 }, (_, index) => ({ name: `f${index}`, data: '' }))
    const patterns = Array.from({ length: 2_000 }, (_, index) => `*${index}*`).join(' ')
    await expect(read(lines(`COPY ${patterns} /x/`), many)).rejects.toThrow(/too many patterns/)
    const rules = Array.from({ length: 2_000 }, (_, index) => `**/x${index}`).join('\n')
    await expect(read(lines('COPY f1 /'), [...many, { name: '.dockerignore', data: rules }])).rejects.toThrow(
      /more than/,
    )
    const growing = Array.from({ length: 40 }, () => 'ENV A=$A$A')
    await expect(read(lines('ENV A=aaaaaaaa', ...growing))).rejects.toThrow(/more than/)
    await expect(read(`# a=${' '.repeat(900_000)}b\nFROM base`)).resolves.toBeDefined()
  })
})

describe('a context', () => {
  it('may have the Dockerfile in it, ignored or not', async () => {
    const files: TarFile[] = [
      { name: 'docker/app.Dockerfile', data: 'FROM base\nCOPY . /\n' },
      { name: 'docker/app.Dockerfile.dockerignore', data: '**\n!kept\n' },
      { name: '.dockerignore', data: 'kept\n' },
      { name: 'kept', data: 'k' },
    ]
    const source = { type: 'dockerfile', path: 'docker/app.Dockerfile', context: 'x:a' } as const
    const front = new DockerfileFrontEnd()
    const build = await front.read(source, async () => Readable.from([tarOf(files)]), { maxBytes: GIB })
    const { blobs } = build.plan(new Map([['base', BASE]]))
    expect(await packed(build, blobs[0])).toContain('kept file 644 k')
    await expect(
      front.read({ type: 'dockerfile', context: 'x:a' }, async () => Readable.from([tarOf(files)]), { maxBytes: GIB }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/no 'Dockerfile'/) })
  })

  it('may be of several uploads, and of files by themselves', async () => {
    const inner = gzipSync(tarOf([{ name: 'in', data: 'x' }]))
    const uploads: Record<string, Buffer> = {
      'x:1': tarOf([
        { name: 'a', data: '1' },
        { name: 'b', data: '1' },
      ]),
      'x:2': tarOf([{ name: 'b', data: '2' }]),
      'x:root': inner,
      'x:c': Buffer.from('c'),
    }
    const build = await new DockerfileFrontEnd().read(
      {
        type: 'dockerfile',
        dockerfile: 'FROM scratch\nADD d/root.tar.gz /\nCOPY a b c /x/\n',
        context: ['x:1', 'x:2'],
        files: { 'd/root.tar.gz': 'x:root', c: 'x:c' },
      },
      async (key) => Readable.from([uploads[key] ?? Buffer.alloc(0)]),
      { maxBytes: GIB },
    )
    const plan = build.plan(new Map())
    expect(plan.stages[0]?.steps.map(({ step }) => step)).toMatchObject([
      { blob: 'x:root', source: '.', destination: '//', keepOwners: true },
      { source: '.', destination: '/x//' },
    ])
    expect((await packed(build, plan.blobs[1])).sort()).toEqual(['a file 644 1', 'b file 644 2', 'c file 644 c'])
  })

  it('that is none, or unpacks to too much, is refused', async () => {
    await expect(read(lines('COPY a /'), Buffer.alloc(2_000, 'x'))).rejects.toMatchObject({ code: 'invalid_argument' })
    const bomb = gzipSync(tarOf([{ name: 'big', data: Buffer.alloc(2 ** 22) }]))
    const front = new DockerfileFrontEnd()
    const source = { type: 'dockerfile', dockerfile: 'FROM base\nCOPY big /', context: 'x:a' } as const
    await expect(front.read(source, async () => Readable.from([bomb]), { maxBytes: 2 ** 20 })).rejects.toMatchObject({
      code: 'payload_too_large',
    })
  })

  it('shows the lines around one', async () => {
    const { build } = await read('FROM base\nRUN a\nRUN b\nRUN c\nRUN d\nRUN e')
    expect(build.excerpt(4)).toEqual([
      'Dockerfile:4',
      '--------------------',
      '   2 |     RUN a',
      '   3 |     RUN b',
      '   4 | >>> RUN c',
      '   5 |     RUN d',
      '   6 |     RUN e',
      '--------------------',
    ])
  })
})
