// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import { describe, expect, it } from 'vitest'
import { lines, read } from './testing/read.ts'

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
    ['ADD ftp://x.example/y /z', /ADD takes what is at http/],
    ['ADD --checksum=sha256:x https://x.example/y /z', /--checksum wants/],
    ['ADD --parents a /b', /--parents is not supported/],
    ['COPY --parents --from=base a /b', /--parents and --from/],
    ['COPY --parents **/./a /b', /before '\/\.\/'/],
    ['COPY --chmod=u+q a /b', /--chmod wants digits/],
    ['COPY --chmod=u+x --from=base a /b', /--chmod wants digits/],
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
