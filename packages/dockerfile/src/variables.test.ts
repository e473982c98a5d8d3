// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import type { DockerfileSource } from '@spawnpoint/core'
import { describe, expect, it } from 'vitest'
import { lines, read } from './testing/read.ts'

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
