import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OciImageBuilder } from './oci-image-builder.ts'
import { blobOf, digestOf, type MadeImage, makeImage, manifestOf } from './testing/image.ts'
import { OddRegistry } from './testing/odd-registry.ts'
import { type TarEntry, tar } from './testing/tar.ts'

/** What layers of images that people really have look like, beside the plain ones. */

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'
let scratch: string
let registry: OddRegistry
let builder: OciImageBuilder

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-oci-'))
  mkdirSync(join(scratch, 'imports'))
  const options = { dir: join(scratch, 'oci'), importsDir: join(scratch, 'imports'), cacheBytes: 2 ** 30, pauseMs: 5 }
  ;[registry, builder] = await Promise.all([OddRegistry.start(), OciImageBuilder.open(options)])
})
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]()
  rmSync(scratch, { recursive: true })
})
beforeEach(() => {
  rmSync(join(scratch, 'target'), { recursive: true, force: true })
  mkdirSync(join(scratch, 'target'))
})

async function build(image: MadeImage) {
  registry.has(image)
  const source = { type: 'oci' as const, reference: `${registry.host}/image` }
  return builder.build(source, join(scratch, 'target'), () => {}, new AbortController().signal)
}
/** What a shell in the image's directory says. */
const sh = (script: string) =>
  execFileSync('sh', ['-euc', script], { cwd: join(scratch, 'target'), encoding: 'utf8' }).trim()
const layered = (...layers: TarEntry[][]) => makeImage({ layers: layers.map((entries) => ({ entries })) })
/** One layer, packed in a way of its own. */
function packed(plain: Buffer, bytes: Buffer): MadeImage {
  const config = blobOf(
    { os: 'linux', rootfs: { type: 'layers', diff_ids: [digestOf(plain)] } },
    'application/vnd.oci.image.config.v1+json',
  )
  const layers = [blobOf(bytes, GZIP)]
  return { manifest: manifestOf(config, layers), config, layers }
}

describe('layers', () => {
  it.each<[string, MadeImage, string, string]>([
    ['without anything in them', layered([], [{ name: 'a', data: 'a' }], []), 'cat a', 'a'],
    ['of which there are none', makeImage({ layers: [] }), 'ls', 'dev\nproc\nrun\nsys\ntmp\nvar'],
    [
      'of which there are many',
      layered(...range(130, (n) => [{ name: `f${n}`, data: 'f' }])),
      'ls | grep -c ^f',
      '130',
    ],
    [
      'with a path more than once, the last one counts',
      layered([
        { name: 'file', data: 'first' },
        { name: 'file', data: 'last' },
        { name: 'was-dir/in', data: 'in' },
        { name: 'was-dir', data: 'file' },
        { name: 'was-file', data: 'x' },
        { name: 'was-file/', type: 'dir' },
        { name: 'was-link', type: 'symlink', link: 'file' },
        { name: 'was-link', data: 'own' },
      ]),
      'cat file was-dir was-link; stat -c " %F" was-file',
      'lastfileown directory',
    ],
    [
      'that take away what lower ones have, opaque marks first or last',
      layered(
        [
          { name: 'one/old', data: 'o' },
          { name: 'two/old', data: 'o' },
          { name: 'two/sub/old', data: 'o' },
          { name: 'again', data: 'o' },
        ],
        [
          { name: 'one/.wh..wh..opq' },
          { name: 'one/new', data: 'n' },
          { name: 'two/new', data: 'n' },
          { name: 'two/sub/new', data: 'n' },
          { name: 'two/.wh..wh..opq' },
          { name: '.wh.again' },
          { name: 'again', data: 'n' },
          { name: '.wh.never' },
          { name: 'no/such/.wh.directory' },
        ],
      ),
      'find one two again -type f | sort; cat again',
      'again\none/new\ntwo/new\ntwo/sub/new\nn',
    ],
    [
      'whose links lead to files of lower ones',
      layered(
        [
          { name: 'bin/one', data: '1' },
          { name: 'soft', type: 'symlink', link: 'nowhere' },
        ],
        [
          { name: 'bin/two', type: 'hardlink', link: 'bin/one' },
          { name: 'three', type: 'hardlink', link: '/bin/one' },
          { name: 'softer', type: 'hardlink', link: 'soft' },
        ],
      ),
      'stat -c %h bin/one; cat bin/two three; readlink softer',
      '3\n11nowhere',
    ],
    [
      'that make a link of a directory, and write through one',
      layered(
        [
          { name: 'lib/gone', data: 'x' },
          { name: 'usr/lib/kept', data: 'x' },
        ],
        [{ name: 'lib', type: 'symlink', link: '/usr/lib' }],
        [{ name: 'lib/new', data: 'x' }],
      ),
      'readlink lib; ls usr/lib',
      '/usr/lib\nkept\nnew',
    ],
    [
      'of users far beyond 65536',
      layered([
        { name: 'a', data: 'a', uid: 70_000, gid: 2_000_000 },
        { name: 'b', data: 'b', uid: 3_000_000, gid: 4_000_000_000 },
      ]),
      'stat -c "%u %g" a b',
      '70000 2000000\n3000000 4000000000',
    ],
    [
      'with directories that nobody may enter',
      layered([{ name: 'd/', type: 'dir', mode: 0, uid: 5 }, { name: 'd/x' }], [{ name: 'd/y', uid: 7 }]),
      'stat -c "%a %u" d d/y',
      '0 5\n644 7',
    ],
    [
      'with attributes that only another system has',
      layered([
        { name: 'a', data: 'a', xattrs: { 'security.selinux': 'system_u:object_r:etc_t:s0\0', 'com.apple.x': 'x' } },
        { name: 'b', data: 'b', xattrs: { 'trusted.overlay.opaque': 'y', 'security.ima': 'signature', 'user.k': 'v' } },
      ]),
      `cat a b; python3 -c "import os; print(os.listxattr('a'), os.listxattr('b'))"`,
      "ab[] ['user.k']",
    ],
    [
      'with headers for all of the archive, as `git archive` writes them',
      layered(
        [{ name: 'lower', data: 'l' }],
        [
          { name: 'pax_global_header', type: 'global', data: '52 comment=0123456789abcdef0123456789abcdef01234567\n' },
          { name: 'a', data: 'a', uid: 7 },
          { name: 'b', data: Buffer.alloc(10_000, 'b'), xattrs: { 'security.evm': 'x', 'user.k': 'v' } },
        ],
      ),
      'ls | head -4; stat -c "%u %s" a b',
      'a\nb\ndev\nlower\n7 1\n0 10000',
    ],
  ])('%s', async (_, image, script, said) => {
    await build(image)
    expect(sh(script)).toBe(said)
  })

  const plain = tar([{ name: 'a', data: Buffer.alloc(300_000, 'a') }])
  const [half, rest] = [plain.subarray(0, 200_000), plain.subarray(200_000)]
  it.each([
    ['gzip in members, as pigz and eStargz write it', Buffer.concat([gzipSync(half), gzipSync(rest)])],
    [
      'zstd in frames, as pzstd and zstd:chunked write it',
      Buffer.concat([zstdCompressSync(half), zstdCompressSync(rest)]),
    ],
    ['something else than their media type says', zstdCompressSync(plain)],
    ['nothing at all', plain],
  ])('packed with %s', async (_, bytes) => {
    await build(packed(plain, bytes))
    expect(sh('stat -c %s a')).toBe('300000')
  })

  it('that git archive has made', async () => {
    const [repository, file] = [join(scratch, 'repository'), join(scratch, 'archive.tar')]
    const as = ['-c', 'user.name=t', '-c', 'user.email=t@example.com']
    execFileSync('git', ['init', '--quiet', repository])
    execFileSync('git', [...as, 'commit', '--quiet', '--allow-empty', '--message', 'x'], { cwd: repository })
    execFileSync('git', ['archive', '--output', file, '--prefix', 'app/', 'HEAD'], { cwd: repository })
    const bytes = readFileSync(file)
    await build(packed(bytes, gzipSync(bytes)))
    expect(readdirSync(join(scratch, 'target'))).toContain('app')
  })

  it('that the registry does not have are fetched where the manifest says, without credentials', async () => {
    await using elsewhere = await OddRegistry.start()
    const image = layered([{ name: 'foreign', data: 'f' }])
    const [layer] = image.layers
    if (layer === undefined) throw new Error('no layer')
    elsewhere.put('/layer', layer)
    const seen: unknown[] = []
    elsewhere.odd = (_path, { headers }) => !seen.push(headers.authorization)
    const said = (urls: string[]) => {
      const manifest = JSON.parse(image.manifest.bytes.toString())
      manifest.layers[0] = { ...manifest.layers[0], urls }
      registry.has({ ...image, layers: [], manifest: blobOf(manifest, image.manifest.mediaType) })
    }
    registry.odd = (_path, { headers }, response) => {
      if (headers.authorization !== undefined) return false
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      return true
    }
    const source = { type: 'oci' as const, reference: `${registry.host}/image` }
    const pull = () =>
      builder.build(source, join(scratch, 'target'), () => {}, new AbortController().signal, {
        username: 'alice',
        password: 'wonderland',
      })
    said([])
    const missing = expect.stringContaining(`it has no ${layer.digest}, which the image names`)
    await expect(pull()).rejects.toMatchObject({ code: 'not_found', message: missing })
    said(['file:///etc/passwd'])
    await expect(pull()).rejects.toMatchObject({ code: 'runtime_failed' })
    said(['http://169.254.169.254/latest/meta-data'])
    await expect(pull()).rejects.toMatchObject({ code: 'runtime_failed' })
    said([`http://${elsewhere.host}/nothing`, `http://${elsewhere.host}/layer`])
    await pull()
    expect(sh('cat foreign')).toBe('f')
    expect(seen).toEqual([undefined, undefined])
    registry.odd = () => false
  })
})

function range<T>(length: number, make: (index: number) => T): T[] {
  return Array.from({ length }, (_, index) => make(index))
}
