import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { OciImageBuilder } from './oci-image-builder.ts'
import {
  blobOf,
  digestOf,
  INDEX_TYPE,
  indexOf,
  MACHINE,
  type MadeImage,
  makeImage,
  manifestOf,
} from './testing/image.ts'
import { OddRegistry } from './testing/odd-registry.ts'
import { type TarEntry, tar } from './testing/tar.ts'

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const MIB = 2 ** 20
const never = new AbortController().signal
let registry: OddRegistry
let scratch: string
let builder: OciImageBuilder

beforeAll(async () => {
  registry = await OddRegistry.start()
})
afterAll(() => registry?.[Symbol.asyncDispose]())
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-oci-'))
  for (const name of ['imports', 'outside']) mkdirSync(join(scratch, name))
  builder = await open()
})
afterEach(() => {
  registry.odd = () => false
  expect(readdirSync(join(scratch, 'oci/work'))).toEqual([])
  expect(readdirSync(join(scratch, 'outside'))).toEqual([])
  rmSync(scratch, { recursive: true })
})

function open(options: { maxBytes?: number; unpackTimeoutMs?: number } = {}) {
  return OciImageBuilder.open({
    dir: join(scratch, 'oci'),
    importsDir: join(scratch, 'imports'),
    cacheBytes: 2 ** 30,
    pauseMs: 5,
    ...options,
  })
}
const target = (...path: string[]) => join(scratch, 'target', ...path)
async function build(image?: MadeImage, { from = builder, signal = never } = {}) {
  if (image !== undefined) registry.has(image)
  rmSync(target(), { recursive: true, force: true })
  mkdirSync(target())
  return from.build({ type: 'oci', reference: `${registry.host}/image` }, target(), () => {}, signal)
}
const layered = (...layers: TarEntry[][]) => makeImage({ layers: layers.map((entries) => ({ entries })) })
/** An image whose only layer is these bytes. */
function withLayer(bytes: Buffer, plain: Buffer, mediaType = LAYER): MadeImage {
  const rootfs = { type: 'layers', diff_ids: [digestOf(plain)] }
  const config = blobOf({ architecture: MACHINE, os: 'linux', rootfs }, 'application/vnd.oci.image.config.v1+json')
  const layers = [blobOf(bytes, mediaType)]
  return { manifest: manifestOf(config, layers), config, layers }
}

describe('a layer', () => {
  const outside = () => join(scratch, 'outside')
  const ways: [string, () => TarEntry[][]][] = [
    ['dots', () => [[{ name: '../outside/dots', data: 'evil' }]]],
    ['dots within', () => [[{ name: 'a/../../outside/dots', data: 'evil' }]]],
    ['an absolute name', () => [[{ name: join(outside(), 'absolute'), data: 'evil' }]]],
    [
      'an absolute link on the way',
      () => [
        [
          { name: 'way', type: 'symlink', link: outside() },
          { name: 'way/through', data: 'evil' },
        ],
      ],
    ],
    [
      'a link of an earlier layer',
      () => [[{ name: 'way', type: 'symlink', link: '../outside' }], [{ name: 'way/through', data: 'evil' }]],
    ],
    [
      'a link that is overwritten',
      () => [[{ name: 'way', type: 'symlink', link: join(outside(), 'made') }], [{ name: 'way', data: 'evil' }]],
    ],
    [
      'the root as a link',
      () => [
        [
          { name: '.', type: 'symlink', link: outside() },
          { name: 'through', data: 'evil' },
        ],
      ],
    ],
    [
      'the root as a link to dots',
      () => [
        [
          { name: './', type: 'symlink', link: '../outside' },
          { name: 'x', data: 'e' },
        ],
      ],
    ],
    [
      'a whiteout through a link',
      () => [[{ name: 'way', type: 'symlink', link: '../imports' }], [{ name: 'way/.wh.keep' }]],
    ],
    ['a whiteout of dots', () => [[{ name: '.wh...' }, { name: '.wh..' }]]],
    [
      'an opaque mark through a link',
      () => [[{ name: 'way', type: 'symlink', link: '../imports' }, { name: 'way/.wh..wh..opq' }]],
    ],
    ['the mount point as a link', () => [[{ name: '.spawnpoint', type: 'symlink', link: join(outside(), 'made') }]]],
    ['attributes of a link', () => [[{ name: 'way', type: 'symlink', link: outside(), mode: 0o777, uid: 7 }]]],
  ]
  it.each(ways)('cannot reach outside: %s', async (_name, layers) => {
    execFileSync('sh', ['-c', `echo kept > ${join(scratch, 'imports/keep')}`])
    const before = statSync(outside())
    await build(layered(...layers())).catch((error) => expect(error).toMatchObject({ code: 'runtime_failed' }))
    expect(readdirSync(outside())).toEqual([])
    expect(statSync(outside())).toMatchObject({ uid: before.uid, mode: before.mode, mtimeMs: before.mtimeMs })
    expect(readFileSync(join(scratch, 'imports/keep'), 'utf8')).toBe('kept\n')
    if (existsSync(target('.spawnpoint'))) expect(statSync(target('.spawnpoint')).isDirectory()).toBe(true)
  })

  it('cannot link to a file of the host', async () => {
    for (const link of ['/etc/passwd', '../../../../../../etc/passwd', join(scratch, 'imports/keep')]) {
      execFileSync('sh', ['-c', `echo kept > ${join(scratch, 'imports/keep')}`])
      const image = layered([{ name: 'hard', type: 'hardlink', link }], [{ name: 'hard', data: 'evil' }])
      await build(image).catch((error) => expect(error).toMatchObject({ code: 'runtime_failed' }))
      expect(statSync('/etc/passwd').nlink).toBe(1)
      expect(readFileSync(join(scratch, 'imports/keep'), 'utf8')).toBe('kept\n')
    }
  })

  it('may have set-user-id files, and device nodes that are left out', async () => {
    await build(
      layered([
        { name: 'sh', data: 'sh', mode: 0o6755 },
        { name: 'disk', type: 'block', device: [8, 0], mode: 0o666 },
        { name: 'deep/mem', type: 'char', device: [1, 1], mode: 0o666 },
      ]),
    )
    expect(statSync(target('sh')).mode & 0o7777).toBe(0o6755)
    expect(existsSync(target('disk'))).toBe(false)
    expect(readdirSync(target('deep'))).toEqual([])
  })

  it.each([
    ['gzip', gzipSync, LAYER],
    ['zstd', zstdCompressSync, 'application/vnd.oci.image.layer.v1.tar+zstd'],
  ] as const)('that unpacks to more than is allowed is stopped (%s)', async (_name, pack, mediaType) => {
    const plain = tar([{ name: 'zeros', data: Buffer.alloc(64 * MIB) }])
    const from = await open({ maxBytes: 16 * MIB })
    await expect(build(withLayer(pack(plain), plain, mediaType), { from })).rejects.toMatchObject({
      code: 'payload_too_large',
      context: { limitBytes: 16 * MIB },
    })
  })

  it('that unpacks to something else than the config says is refused', async () => {
    const plain = tar([{ name: 'a', data: 'a' }])
    const other = tar([{ name: 'b', data: 'b' }])
    const zstd = withLayer(zstdCompressSync(plain), other, 'application/vnd.oci.image.layer.v1.tar+zstd')
    for (const image of [withLayer(gzipSync(plain), other), zstd]) {
      await expect(build(image)).rejects.toMatchObject({ code: 'runtime_failed' })
    }
  })

  it('that is no archive, or ends too early, is refused', async () => {
    const plain = tar([{ name: 'a', data: Buffer.alloc(2 * MIB, 'a') }])
    const junk = Buffer.from('no archive at all'.repeat(100))
    const broken = [junk, gzipSync(junk), gzipSync(plain).subarray(0, 500), zstdCompressSync(plain).subarray(0, 60)]
    for (const bytes of broken) {
      await expect(build(withLayer(bytes, plain))).rejects.toMatchObject({
        code: 'runtime_failed',
        message: expect.stringMatching(/^(Could not unpack the image: |The image is broken: )/),
      })
    }
  })

  it('with a header that promises more than there is, is refused', async () => {
    const plain = tar([{ name: 'a', data: 'a', size: 2 ** 33 - 1 }])
    await expect(build(withLayer(gzipSync(plain), plain))).rejects.toMatchObject({ code: 'runtime_failed' })
  })
})

describe('a registry', () => {
  const image = layered([{ name: 'a', data: Buffer.alloc(100_000, 'a') }])
  const [layer] = image.layers
  if (layer === undefined) throw new Error('no layer')

  it('that sends another layer, or more or less of it than it said, is refused', async () => {
    const lies: Buffer[] = [Buffer.alloc(layer.bytes.length, 'x'), Buffer.concat([layer.bytes, Buffer.from('more')])]
    for (const lie of lies) {
      registry.has(image)
      registry.put(`blobs/${layer.digest}`, { ...layer, bytes: lie })
      await expect(build()).rejects.toMatchObject({
        code: 'runtime_failed',
        message: expect.stringContaining('something else than it named'),
      })
    }
    expect(readdirSync(join(scratch, 'oci/layers'), { recursive: true, encoding: 'utf8' })).not.toContain(
      expect.stringContaining(layer.digest.slice(7)),
    )
    registry.put(`blobs/${layer.digest}`, { ...layer, bytes: layer.bytes.subarray(0, 50) })
    await expect(build()).rejects.toMatchObject({ code: 'unavailable' })
  }, 60_000)

  it('whose manifest lies about a size is refused, without end or not', async () => {
    const lie = { ...layer, bytes: layer.bytes.subarray(0, 50) }
    const small = manifestOf(image.config, [layer])
    const wrong = blobOf(
      Buffer.from(small.bytes.toString().replace(`"size":${layer.bytes.length}`, '"size":50')),
      small.mediaType,
    )
    registry.has({ manifest: wrong, config: image.config, layers: [layer] })
    await expect(build()).rejects.toMatchObject({ code: 'runtime_failed' })
    registry.odd = (path, _request, response) => {
      if (path !== `blobs/${lie.digest}`) return false
      response.writeHead(200)
      const endless = () => void (response.writable && response.write(Buffer.alloc(65_536), endless))
      endless()
      return true
    }
    await expect(build()).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('that says more bytes than are allowed, or are there, is refused before they come', async () => {
    const manifest = blobOf(
      Buffer.from(image.manifest.bytes.toString().replace(`"size":${layer.bytes.length}`, '"size":9007199254740991')),
      image.manifest.mediaType,
    )
    registry.has({ ...image, manifest })
    registry.requests.length = 0
    await expect(build()).rejects.toMatchObject({ code: 'payload_too_large' })
    const from = await open({ maxBytes: Number.MAX_SAFE_INTEGER })
    const total = blobOf(
      Buffer.from(image.manifest.bytes.toString().replace(`"size":${layer.bytes.length}`, '"size":4503599627370496')),
      image.manifest.mediaType,
    )
    registry.has({ ...image, manifest: total })
    await expect(build(undefined, { from })).rejects.toMatchObject({ code: 'disk_full' })
    expect(registry.requests.filter((request) => request.includes('blobs'))).toEqual([])
  })

  it('that answers another manifest than the digest names is refused', async () => {
    registry.put(`manifests/sha256:${'0'.repeat(64)}`, image.manifest)
    const source = { type: 'oci' as const, reference: `${registry.host}/image@sha256:${'0'.repeat(64)}` }
    mkdirSync(target())
    await expect(builder.build(source, target(), () => {}, never)).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  const manifests: [string, object | Buffer][] = [
    ['no JSON', Buffer.from('<html>')],
    ['a list', []],
    ['version 1', { schemaVersion: 1, fsLayers: [] }],
    ['no config', { schemaVersion: 2, layers: [] }],
    ['a wrong digest', { schemaVersion: 2, config: { digest: '../../x', size: 1 }, layers: [] }],
    ['a negative size', { schemaVersion: 2, config: { digest: `sha256:${'a'.repeat(64)}`, size: -1 }, layers: [] }],
    [
      'too many layers',
      {
        schemaVersion: 2,
        config: { digest: `sha256:${'a'.repeat(64)}`, size: 1 },
        layers: Array.from({ length: 300 }, () => ({ digest: `sha256:${'b'.repeat(64)}`, size: 1 })),
      },
    ],
    ['5 MiB', { schemaVersion: 2, config: {}, layers: [], filler: 'x'.repeat(5 * MIB) }],
  ]
  it.each(manifests)('whose manifest is broken is refused: %s', async (_name, content) => {
    registry.put('manifests/latest', blobOf(content, image.manifest.mediaType))
    await expect(build()).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('whose index names itself is refused', async () => {
    const inner = blobOf({ schemaVersion: 2, manifests: [] }, INDEX_TYPE)
    let top = indexOf({ [`linux/${MACHINE}`]: { manifest: inner, config: inner, layers: [] } })
    for (let depth = 0; depth < 4; depth += 1) {
      registry.put(`manifests/${top.digest}`, top)
      top = indexOf({ [`linux/${MACHINE}`]: { manifest: top, config: inner, layers: [] } })
    }
    registry.put('manifests/latest', top)
    await expect(build()).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('may send us on, but gets no credentials there, and not to anything but HTTP', async () => {
    const store = await OddRegistry.start()
    onTestFinished(() => store[Symbol.asyncDispose]())
    store.put('/store', layer)
    let seen: string | undefined
    store.odd = (_path, request) => {
      seen = request.headers.authorization
      return false
    }
    registry.has(image)
    const away = (location: string) => {
      registry.odd = (path, request, response) => {
        if (request.headers.authorization === undefined) {
          response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
          return true
        }
        if (path !== `blobs/${layer.digest}`) return false
        response.writeHead(307, { location }).end()
        return true
      }
    }
    const source = { type: 'oci' as const, reference: `${registry.host}/image` }
    const access = { username: 'alice', password: 'wonderland' }
    away(`http://user:pass@${store.host}/store`)
    mkdirSync(target())
    await builder.build(source, target(), () => {}, never, access)
    expect(store.requests).toEqual(['GET /store'])
    expect(seen).toBeUndefined()

    for (const location of ['file:///etc/passwd', 'ftp://127.0.0.1/x', 'http://169.254.169.254/latest/meta-data']) {
      away(location)
      rmSync(join(scratch, 'oci/layers'), { recursive: true })
      mkdirSync(join(scratch, 'oci/layers'))
      await expect(builder.build(source, target(), () => {}, never, access)).rejects.toMatchObject({
        code: 'runtime_failed',
      })
    }
    away(`http://${registry.host}/v2/image/blobs/${layer.digest}`)
    await expect(builder.build(source, target(), () => {}, never, access)).rejects.toMatchObject({
      message: expect.stringContaining('more than 5 redirects'),
    })
  })

  it('whose token service answers nonsense is refused', async () => {
    registry.has(image)
    for (const [answer, code] of [
      ['{}', 'runtime_failed'],
      ['{"token":"a\\nb"}', 'runtime_failed'],
      ['x'.repeat(MIB), 'runtime_failed'],
    ] as const) {
      registry.odd = (path, request, response) => {
        if (path.startsWith('/token')) response.end(answer)
        else if (request.headers.authorization) return false
        else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` }).end()
        return true
      }
      await expect(build()).rejects.toMatchObject({ code })
    }
  })
})

describe('a build', () => {
  it('stops when told to, while it is fetched and while it is unpacked, and leaves nothing', async () => {
    const stop = new AbortController()
    registry.has(layered([{ name: 'b', data: 'b' }]))
    registry.odd = (path) => {
      if (!path.startsWith('blobs/')) return false
      stop.abort()
      return true
    }
    await expect(build(undefined, { signal: stop.signal })).rejects.toMatchObject({ code: 'cancelled' })
    await expect(build(undefined, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('that takes too long to unpack is ended', async () => {
    const from = await open({ unpackTimeoutMs: 1 })
    await expect(build(layered([{ name: 'c', data: 'c' }]), { from })).rejects.toMatchObject({ code: 'timeout' })
  })
})
