// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import { gzipSync } from 'node:zlib'
import { type TarFile, tarOf } from '@spawnpoint/contracts'
import { describe, expect, it } from 'vitest'
import { lines, packed, read } from './testing/read.ts'

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
    ['with a changed mode', 'COPY --chmod=go=,+X app/main.js /x', { source: 'main.js' }, ['main.js file 711 main']],
    [
      'with parents',
      'COPY --parents a.txt app/lib/*.js /x',
      { source: '.', destination: '/x/', user: '0:0' },
      ['a.txt file 644 a', 'app/ directory 750', 'app/lib/ directory 755', 'app/lib/util.js file 644 util'],
    ],
    [
      'with some of the parents',
      'COPY --parents --chmod=u+w,go+rX ./app/./lib ./app/./main.js /x',
      { source: '.', destination: '/x/' },
      ['lib/ directory 755', 'lib/util.js file 644 util', 'main.js file 755 main'],
    ],
    [
      'of any depth, with parents',
      'COPY --parents --exclude=*.txt **/*.js /x/',
      { destination: '/x//' },
      ['app/ directory 750', 'app/lib/ directory 755', 'app/lib/util.js file 644 util', 'app/main.js file 755 main'],
    ],
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

  it.each([
    ['xz', 'fd377a585a0000', /^dockerfile:xz-/],
    ['bzip2', '425a6839', /^dockerfile:bzip2-/],
    ['zstd', '28b52ffd', /^dockerfile:zstd-/],
  ])('ADD has what is packed with %s unpacked before, whatever it is called', async (packing, magic, blob) => {
    const file = { name: 'rootfs', data: Buffer.from(magic, 'hex') }
    const { build, steps } = await read(lines('ADD rootfs /', 'COPY rootfs /'), [file])
    expect(steps).toMatchObject([
      { source: '.', destination: '//', blob: expect.stringMatching(blob), keepOwners: true },
      { source: 'rootfs', destination: '/' },
    ])
    const [added, copied] = steps.map((step) => (step.type === 'copy' ? (step.blob ?? '') : ''))
    expect(Buffer.concat(await build.pack(added ?? '').toArray()).toString()).toBe(`out of ${packing}`)
    expect(Buffer.concat(await build.pack(copied ?? '').toArray()).includes(file.data)).toBe(true)
    const alone = { context: undefined, files: { rootfs: 'x:alone' } }
    const { plan } = await read(lines('ADD rootfs /'), file.data, alone)
    expect(plan.blobs).toEqual([expect.stringMatching(blob)])
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
