import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type PackedBase, parseImageReference, type RegistryAccess, type RegistryReference } from '@spawnpoint/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { OciArchive } from '../oci-archive.ts'
import { OciImageBuilder } from '../oci-image-builder.ts'
import { DockerRegistry, USER } from '../testing/docker-registry.ts'
import { type MadeImage, makeImage } from '../testing/image.ts'

const never = new AbortController().signal
const image = makeImage({
  docker: true,
  layers: [
    {
      entries: [
        { name: 'bin', type: 'dir', mode: 0o755 },
        { name: 'bin/tool', data: 'tool\n', mode: 0o4755, uid: 7 },
        { name: 'etc', type: 'dir', mode: 0o755 },
        { name: 'etc/kept', data: 'kept\n' },
        { name: 'etc/gone', data: 'gone\n' },
        { name: 'old', type: 'dir', mode: 0o755 },
        { name: 'old/deep', type: 'dir', mode: 0o755 },
        { name: 'old/deep/file', data: 'x' },
      ],
    },
    { entries: [{ name: 'etc/second', data: 'second\n' }], packing: 'zstd' },
  ],
})
let here: DockerRegistry
let there: DockerRegistry
let scratch: string
let archive: OciArchive
let builder: OciImageBuilder
let base: PackedBase

beforeAll(async () => {
  ;[here, there] = await Promise.all([DockerRegistry.start(), DockerRegistry.start({ auth: true })])
  await here.push('team/base', 'v1', image)
})
afterAll(() => Promise.all([here?.[Symbol.asyncDispose](), there?.[Symbol.asyncDispose]()]))
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-shared-'))
  for (const name of ['imports', 'image']) mkdirSync(join(scratch, name))
  builder = await OciImageBuilder.open({
    dir: join(scratch, 'oci'),
    importsDir: join(scratch, 'imports'),
    cacheBytes: 2 ** 30,
  })
  const reference = `${here.host}/team/base:v1`
  const { source } = await builder.build({ type: 'oci', reference }, join(scratch, 'image'), () => {}, never)
  if (source?.type !== 'oci' || source.digest === undefined) throw new Error('the image has no digest')
  base = {
    rootPath: join(scratch, 'image'),
    reference: { ...(parseImageReference(reference) as RegistryReference), digest: source.digest },
    access: null,
  }
  // As a clone is: the same inodes.
  execFileSync('cp', ['-al', join(scratch, 'image'), join(scratch, 'root')])
  archive = await OciArchive.open({
    dir: join(scratch, 'archive'),
    exportsDir: join(scratch, 'exports'),
    importsDir: join(scratch, 'imports'),
    cacheBytes: 2 ** 30,
    layers: builder.layers,
    pauseMs: 5,
  })
})
afterEach(() => rmSync(scratch, { recursive: true }))

const sh = (script: string) => execFileSync('sh', ['-euc', script], { cwd: join(scratch, 'root'), encoding: 'utf8' })
async function push(to: string, access: RegistryAccess | null = null, from: PackedBase | null = base) {
  const lines: string[] = []
  const root = {
    rootPath: join(scratch, 'root'),
    sizeBytes: 1_000,
    defaults: { env: {}, user: 'root', workdir: '/', startCommand: [] },
    labels: {},
    createdAt: new Date(0),
    base: from,
  }
  const target = { reference: parseImageReference(to), access }
  const pushed = await archive.pushImage(root, target, ({ line }) => line !== null && lines.push(line), never)
  return { ...pushed, lines }
}

/** As a stranger gets it: its layers, and its files side by side with what was pushed. */
function fetched(from: string, options: string[] = []) {
  const copy = join(scratch, 'copy')
  rmSync(copy, { recursive: true, force: true })
  execFileSync('skopeo', ['--insecure-policy', 'copy', '--quiet', ...options, from, `oci:${copy}:app`])
  const blob = (digest: string) => readFileSync(join(copy, 'blobs/sha256', digest.slice(7)))
  const index = JSON.parse(readFileSync(join(copy, 'index.json'), 'utf8'))
  const manifest = JSON.parse(blob(index.manifests[0].digest).toString())
  const config = JSON.parse(blob(manifest.config.digest).toString())
  const layers: { digest: string }[] = manifest.layers
  return { layers: layers.map(({ digest }) => digest), config, names: (digest: string) => namesIn(blob(digest)) }
}

function namesIn(layer: Buffer): string[] {
  return execFileSync('tar', ['-t'], { input: gunzipSync(layer), encoding: 'utf8' })
    .trim()
    .split('\n')
}

const own = (made: MadeImage) => made.layers.map(({ digest }) => digest)
const CHANGES = `rm etc/gone; rm -r old; mkdir -p new/dir; echo new >new/dir/file; ln -s kept etc/link
  cp bin/tool t; rm bin/tool; mv t bin/tool; chown 7 bin/tool; chmod 4755 bin/tool; mkdir etc/.wh.odd
  rm -r etc/second; mkdir etc/second; touch etc/second/inside "$(printf 'etc/od\\nd \\303\\244 name')"`

it('what an image of a registry has become goes as its layers and one more', async () => {
  sh(CHANGES)
  const { lines } = await push(`${here.host}/team/app:v2`)
  expect(lines[0]).toBe(`2 layers of ${here.host}/team/base`)
  const { layers, config, names } = fetched(`docker://${here.host}/team/app:v2`, ['--src-tls-verify=false'])
  expect(layers.slice(0, 2)).toEqual(own(image))
  expect(layers).toHaveLength(3)
  expect(config.rootfs.diff_ids).toHaveLength(3)
  const last = names(layers[2] ?? '')
  expect(last.slice(0, 2)).toEqual(['./etc/.wh.gone', './.wh.old'])
  expect(last.filter((name) => /kept|odd$|deep|spawnpoint/.test(name))).toEqual([])
  // Whoever unpacks it has the same files.
  mkdirSync(join(scratch, 'out'))
  await builder.build({ type: 'oci', reference: `${here.host}/team/app:v2` }, join(scratch, 'out'), () => {}, never)
  sh('rmdir etc/.wh.odd')
  execFileSync('diff', ['-r', '--no-dereference', '--exclude=.spawnpoint', 'root', 'out'], { cwd: scratch })
  const owner = execFileSync('stat', ['-c', '%u %a', join(scratch, 'out/bin/tool')], { encoding: 'utf8' })
  expect(owner).toBe('7 4755\n')
})

it('an image that nobody changed is pushed as it was pulled, to another registry, too', async () => {
  await push(`${there.host}/copy:v1`, USER)
  const credentials = ['--src-tls-verify=false', `--src-creds=${USER.username}:${USER.password}`]
  const { layers } = fetched(`docker://${there.host}/copy:v1`, credentials)
  // Directories are no hard links, so that they differ here.
  expect(layers.slice(0, 2)).toEqual(own(image))
})

it('goes to a file with all that it needs', async () => {
  sh(CHANGES)
  const { sizeBytes } = await push('oci-archive:app.tar')
  const { layers } = fetched(`oci-archive:${scratch}/exports/app.tar`)
  expect(layers.slice(0, 2)).toEqual(own(image))
  expect(sizeBytes).toBeGreaterThan(image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0))
})

it('goes as one layer where those of the image cannot be had any more', async () => {
  sh(CHANGES)
  const lost: PackedBase = { ...base, reference: { ...base.reference, digest: `sha256:${'0'.repeat(64)}` } }
  const { lines } = await push(`${here.host}/team/lost:v1`, null, lost)
  expect(lines[0]).toMatch(/^Everything goes as one layer: /)
  const { layers, names } = fetched(`docker://${here.host}/team/lost:v1`, ['--src-tls-verify=false'])
  expect(layers).toHaveLength(1)
  expect(names(layers[0] ?? '')).toContain('./etc/kept')
})
