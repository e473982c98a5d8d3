// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { type TarFile, tarOf } from '@spawnpoint/contracts'
import { packTar } from 'modern-tar'
import { describe, expect, it } from 'vitest'
import { DockerfileFrontEnd } from './reader.ts'
import { BASE, GIB, lines, packed, read } from './testing/read.ts'

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
    const { blobs } = await build.plan(new Map([['base', BASE]]), new AbortController().signal)
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
    const plan = await build.plan(new Map(), new AbortController().signal)
    expect(plan.stages[0]?.steps.map(({ step }) => step)).toMatchObject([
      { blob: 'x:root', source: '.', destination: '//', keepOwners: true },
      { source: '.', destination: '/x//' },
    ])
    expect((await packed(build, plan.blobs[1])).sort()).toEqual(['a file 644 1', 'b file 644 2', 'c file 644 c'])
  })

  it('whose files are in too many directories is refused', async () => {
    const deep = Array.from({ length: 120 }, (_, n) => ({
      header: { name: `${n}${'/d'.repeat(1_900)}/file`, size: 0 },
      body: '',
    }))
    await expect(read(lines('COPY . /'), Buffer.from(await packTar(deep)))).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/more than 200000 entries/),
    })
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
