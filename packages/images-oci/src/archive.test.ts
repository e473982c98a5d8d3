import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { OciImageBuilder } from './oci-image-builder.ts'
import { type Blob, descriptorOf, indexOf, MACHINE, makeImage, writeLayout } from './testing/image.ts'
import { type TarEntry, tar } from './testing/tar.ts'

let scratch: string
const never = new AbortController().signal
const image = makeImage({
  layers: [
    { entries: [{ name: 'file', data: 'one', uid: 7 }] },
    { entries: [{ name: 'late', data: 'two' }], packing: 'plain' },
  ],
  config: { Env: ['A=b'], Cmd: ['run'], User: 'app' },
})

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-oci-'))
  for (const name of ['imports', 'target', 'elsewhere']) mkdirSync(join(scratch, name))
})
afterEach(() => rmSync(scratch, { recursive: true }))

const imports = (name: string) => join(scratch, 'imports', name)
const sh = (script: string) => execFileSync('sh', ['-euc', script], { cwd: join(scratch, 'imports'), stdio: 'pipe' })
async function build(reference: string, maxBytes = 2 ** 30) {
  rmSync(join(scratch, 'target'), { recursive: true })
  mkdirSync(join(scratch, 'target'))
  const builder = await OciImageBuilder.open({
    dir: join(scratch, 'oci'),
    importsDir: join(scratch, 'imports'),
    cacheBytes: 0,
    maxBytes,
  })
  try {
    return await builder.build({ type: 'oci', reference }, join(scratch, 'target'), () => {}, never)
  } finally {
    expect(readdirSync(join(scratch, 'oci/work'))).toEqual([])
  }
}

describe('an image in the imports directory', () => {
  it('is read from a layout, a tar of it, and what docker save writes', async () => {
    writeLayout(imports('layout'), image, 'v1')
    // As an operator would have them: made with the tools that everybody uses.
    sh(`skopeo --insecure-policy copy --quiet oci:layout:v1 oci-archive:layout.tar:v1
      skopeo --insecure-policy copy --quiet oci:layout:v1 docker-archive:saved.tar:team/app:v1
      gzip --keep saved.tar; zstd -q --keep layout.tar; chmod 600 *.tar; chown 12345 saved.tar`)
    for (const reference of [
      'oci:layout',
      'oci:layout:v1',
      'oci-archive:layout.tar',
      'oci-archive:layout.tar:v1',
      'docker-archive:saved.tar',
      'docker-archive:saved.tar:team/app:v1',
      'docker-archive:saved.tar.gz',
      'oci-archive:layout.tar.zst',
    ]) {
      const { defaults, source } = await build(reference)
      expect(defaults).toMatchObject({ env: { A: 'b' }, startCommand: ['run'], user: 'app' })
      expect(source).toMatchObject({ reference, digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) })
      expect(readFileSync(join(scratch, 'target/file'), 'utf8')).toBe('one')
      expect(readFileSync(join(scratch, 'target/late'), 'utf8')).toBe('two')
    }
  })

  it('is read from what docker save of any age writes, each of several images by its name', async () => {
    const json = (name: string, value: unknown): TarEntry => ({ name, data: JSON.stringify(value) })
    const other = makeImage({ layers: [{ entries: [{ name: 'other', data: 'o' }], packing: 'plain' }] })
    const twice = makeImage({
      layers: [1, 2].map(() => ({ entries: [{ name: 'same', data: 's' }], packing: 'plain' })),
    })
    const [first, second] = twice.layers
    const blob = ({ digest }: Blob) => `blobs/sha256/${digest.slice(7)}`
    const layer = (hex: string) => `${hex.repeat(64)}/layer.tar`
    const old = [
      { name: `${'a'.repeat(64)}/`, type: 'dir' as const },
      { name: `${'a'.repeat(64)}/VERSION`, data: '1.0' },
      json(`${'a'.repeat(64)}/json`, { id: 'a'.repeat(64) }),
      { name: layer('a'), data: first?.bytes ?? '' },
      // The same layer again is a link, also where what it leads to comes later.
      { name: layer('b'), type: 'symlink' as const, link: `../${layer('a')}` },
      { name: layer('c'), data: other.layers[0]?.bytes ?? '' },
      { name: 'one.json', data: twice.config.bytes },
      { name: 'two.json', data: other.config.bytes },
      json('manifest.json', [
        { Config: 'one.json', RepoTags: ['team/twice:v1', 'twice:latest'], Layers: [layer('a'), layer('b')] },
        { Config: 'two.json', RepoTags: ['other:v1'], Layers: [layer('c')] },
      ]),
      json('repositories', { 'team/twice': { v1: 'b'.repeat(64) } }),
    ]
    const index = { schemaVersion: 2, manifests: [{ ...descriptorOf(twice.manifest) }] }
    const current = [
      ...[twice.manifest, twice.config, first, other.config, ...other.layers].flatMap((each) =>
        each === undefined ? [] : [{ name: blob(each), data: each.bytes }],
      ),
      json('index.json', index),
      json('oci-layout', { imageLayoutVersion: '1.0.0' }),
      json('manifest.json', [
        {
          Config: blob(twice.config),
          RepoTags: ['team/twice:v1', 'twice:latest'],
          Layers: [first, second].flatMap((each) => (each === undefined ? [] : [blob(each)])),
          LayerSources: {},
        },
        { Config: blob(other.config), RepoTags: ['other:v1'], Layers: other.layers.map(blob) },
      ]),
    ]
    for (const [name, entries] of [
      ['old.tar', old],
      ['current.tar', current],
    ] as const) {
      writeFileSync(imports(name), tar(entries))
      for (const select of ['team/twice:v1', 'twice:latest', 'twice']) {
        await build(`docker-archive:${name}:${select}`)
        expect(readFileSync(join(scratch, 'target/same'), 'utf8')).toBe('s')
      }
      await build(`docker-archive:${name}:other:v1`)
      expect(readdirSync(join(scratch, 'target'))).toContain('other')
      await expect(build(`docker-archive:${name}:never:v1`)).rejects.toMatchObject({ code: 'not_found' })
      await expect(build(`docker-archive:${name}`)).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining(`say which, as docker-archive:${name}:IMAGE:TAG`),
      })
    }
  })

  it('is chosen from an index for this machine', async () => {
    const foreign = makeImage({ architecture: 's390x', layers: [{ entries: [{ name: 'other', data: 'o' }] }] })
    for (const [name, images] of [
      ['both', { 'linux/s390x': foreign, [`linux/${MACHINE}`]: image }],
      ['foreign', { 'linux/s390x': foreign }],
    ] as const) {
      writeLayout(imports(name), image)
      writeLayout(imports(name), foreign)
      const index = indexOf(images)
      writeFileSync(imports(`${name}/blobs/sha256/${index.digest.slice(7)}`), index.bytes)
      writeFileSync(
        imports(`${name}/index.json`),
        JSON.stringify({ schemaVersion: 2, manifests: [descriptorOf(index)] }),
      )
    }
    await build('oci:both')
    expect(readFileSync(join(scratch, 'target/file'), 'utf8')).toBe('one')
    await expect(build('oci:both:v9')).rejects.toMatchObject({ code: 'not_found' })
    await expect(build('oci:foreign')).rejects.toMatchObject({ code: 'incompatible' })
  })

  it('that is not there, lies elsewhere, or is no image is refused', async () => {
    writeLayout(join(scratch, 'elsewhere/layout'), image)
    symlinkSync('../elsewhere/layout', imports('link'))
    writeFileSync(imports('junk'), 'no archive at all')
    mkdirSync(imports('empty'))
    for (const reference of ['oci:missing', 'oci:link', 'oci:junk', 'oci-archive:empty']) {
      await expect(build(reference)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    for (const reference of ['oci:empty', 'oci-archive:junk', 'docker-archive:junk']) {
      await expect(build(reference)).rejects.toMatchObject({
        code: 'runtime_failed',
        message: expect.stringMatching(/^Could not read the image: /),
      })
    }
  })

  it('that is broken inside, or leads out of its directory, is refused', async () => {
    writeLayout(imports('lie'), image)
    const [layer] = image.layers
    writeFileSync(imports(`lie/blobs/sha256/${layer?.digest.slice(7)}`), 'something else')
    await expect(build('oci:lie')).rejects.toMatchObject({ code: 'runtime_failed' })

    writeLayout(imports('leading'), image)
    writeFileSync(join(scratch, 'elsewhere/secret'), layer?.bytes ?? '')
    rmSync(imports(`leading/blobs/sha256/${layer?.digest.slice(7)}`))
    symlinkSync(join(scratch, 'elsewhere/secret'), imports(`leading/blobs/sha256/${layer?.digest.slice(7)}`))
    await expect(build('oci:leading')).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('that unpacks to too much is stopped on the way', async () => {
    sh('truncate -s 300M zeros; tar --create --gzip --file bomb.tar.gz zeros; rm zeros')
    await expect(build('oci-archive:bomb.tar.gz', 20_000_000)).rejects.toMatchObject({ code: 'payload_too_large' })
  })
})
