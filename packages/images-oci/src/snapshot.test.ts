import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { type FoundSnapshot, type PackedSnapshot, parseImageReference } from '@spawnpoint/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OciArchive } from './oci-archive.ts'
import { OciImageBuilder } from './oci-image-builder.ts'
import {
  AGENT_TYPE,
  ARTIFACT_TYPE,
  DESCRIPTION_TYPE,
  FILES_TYPE,
  MEMORY_TYPE,
  payloadOf,
  SIGNATURE,
} from './snapshot-artifact.ts'
import { DockerRegistry } from './testing/docker-registry.ts'
import { blobOf, descriptorOf, type MadeImage, makeImage } from './testing/image.ts'
import { BreakingProxy, OddRegistry } from './testing/odd-registry.ts'
import { type TarEntry, tar } from './testing/tar.ts'

const never = new AbortController().signal
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
let registry: DockerRegistry
let scratch: string
let archive: OciArchive

beforeAll(async () => {
  registry = await DockerRegistry.start()
})
afterAll(() => registry?.[Symbol.asyncDispose]())
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-snapshot-'))
  for (const name of ['root', 'memory', 'to', 'outside', 'imports']) mkdirSync(join(scratch, name))
  execFileSync('sh', ['-euc', 'echo file > file; chown 1234:4321 file; chmod 4755 file; ln -s /etc/passwd link'], {
    cwd: join(scratch, 'root'),
  })
  // Memory with holes, as that of a sandbox has.
  execFileSync('truncate', ['-s', '8M', join(scratch, 'memory/pages.img')])
  writeFileSync(join(scratch, 'memory/checkpoint.img'), Buffer.alloc(2 ** 20, 'state'))
  writeFileSync(join(scratch, 'agent'), 'the agent')
  archive = await openArchive()
})
afterEach(() => {
  expect(readdirSync(join(scratch, 'archive/work'))).toEqual([])
  expect(readdirSync(join(scratch, 'outside'))).toEqual([])
  rmSync(scratch, { recursive: true })
})

const openArchive = () =>
  OciArchive.open({
    dir: join(scratch, 'archive'),
    exportsDir: join(scratch, 'imports'),
    importsDir: join(scratch, 'imports'),
    cacheBytes: 2 ** 30,
    pauseMs: 5,
  })
const packed = (): PackedSnapshot => ({
  description: { formatVersion: 1, name: 'point' },
  rootPath: join(scratch, 'root'),
  memoryDir: join(scratch, 'memory'),
  agentFile: join(scratch, 'agent'),
  sizeBytes: 2 ** 20,
})
const at = (reference: string) => ({ reference: parseImageReference(reference), access: null })
const signed: Buffer[] = []
const push = (reference: string, snapshot = packed()) =>
  archive.pushSnapshot(
    snapshot,
    at(reference),
    (payload) => {
      signed.push(payload)
      return 'signature'
    },
    () => {},
    never,
  )
async function fill(found: FoundSnapshot, maxBytes = 2 ** 30): Promise<string> {
  const to = mkdtempSync(join(scratch, 'to/'))
  for (const name of ['root', 'memory']) mkdirSync(join(to, name))
  await found.fillRoot(join(to, 'root'), () => {}, never)
  if (found.hasMemory) await found.fillMemory(join(to, 'memory'), maxBytes, () => {}, never)
  return to
}
function expectAll(to: string): void {
  expect(statSync(join(to, 'root/file'))).toMatchObject({ uid: 1234, gid: 4321, mode: 0o104755 })
  // A restore compares them.
  expect(statSync(join(to, 'root/file')).mtimeMs).toBe(statSync(join(scratch, 'root/file')).mtimeMs)
  expect(readdirSync(join(to, 'memory')).sort()).toEqual(['checkpoint.img', 'pages.img'])
  for (const name of ['checkpoint.img', 'pages.img']) {
    expect(readFileSync(join(to, 'memory', name)).equals(readFileSync(join(scratch, 'memory', name)))).toBe(true)
  }
}

describe('a snapshot as an artifact', () => {
  it('comes back from a registry as it went, and says what it is before that', async () => {
    const reference = `${registry.host}/snapshots/point:v1`
    const { digest, sizeBytes } = await push(reference)
    await using found = await archive.findSnapshot(at(reference), never)
    expect(found).toMatchObject({
      description: packed().description,
      digest,
      signature: 'signature',
      hasMemory: true,
      agentDigest: createHash('sha256').update('the agent').digest('hex'),
    })
    expect(found.payload).toEqual(signed.at(-1))
    expect(found.packedBytes).toBeLessThan(sizeBytes)
    const pieces = () => readdirSync(join(scratch, 'archive/pieces'), { recursive: true })
    expect(pieces()).toHaveLength(2) // the registry and the description
    expectAll(await fill(found))
    expect(readFileSync(await found.agentFile(never), 'utf8')).toBe('the agent')
  })

  it('brings no device nodes', async () => {
    execFileSync('sh', ['-euc', 'mkdir deep; mknod deep/mem c 1 1; mknod disk b 8 0'], { cwd: join(scratch, 'root') })
    const reference = `${registry.host}/snapshots/devices:v1`
    await push(reference, { ...packed(), memoryDir: null, agentFile: null })
    await using found = await archive.findSnapshot(at(reference), never)
    const to = await fill(found)
    expect(readdirSync(join(to, 'root'), { recursive: true }).sort()).toEqual(['deep', 'file', 'link'])
  })

  it('without memory has files alone', async () => {
    const reference = `${registry.host}/snapshots/files`
    await push(reference, { ...packed(), memoryDir: null, agentFile: null })
    await using found = await archive.findSnapshot(at(reference), never)
    expect(found).toMatchObject({ hasMemory: false, agentDigest: null })
    expect(statSync(join(await fill(found), 'root/file')).uid).toBe(1234)
  })

  it.each(['oci:layout', 'oci:layout:v1', 'oci-archive:point.tar:v1'])('goes through a file: %s', async (reference) => {
    await push(reference.replace(/^(oci:layout)$/, '$1:v1'))
    await using found = await archive.findSnapshot(at(reference), never)
    expectAll(await fill(found))
  })

  it('is gone on with where a connection broke', async () => {
    writeFileSync(join(scratch, 'memory/pages.img'), randomBytes(4_000_000))
    const reference = `${registry.host}/snapshots/large`
    await push(reference)
    await using proxy = await BreakingProxy.start(registry.host)
    proxy.afterBytes = 1_500_000
    proxy.breaks = 1
    await using found = await archive.findSnapshot(at(`${proxy.host}/snapshots/large`), never)
    expectAll(await fill(found))
    expect(proxy.requests.filter((request) => /bytes=\d{6,}-/.test(request))).toHaveLength(1)
  })

  it('is no image, and an image is no snapshot', async () => {
    await push(`${registry.host}/snapshots/point:v2`)
    const builder = await OciImageBuilder.open({
      dir: join(scratch, 'oci'),
      importsDir: join(scratch, 'imports'),
      cacheBytes: 0,
    })
    const source = { type: 'oci' as const, reference: `${registry.host}/snapshots/point:v2` }
    await expect(builder.build(source, join(scratch, 'to'), () => {}, never)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('pull it as a snapshot'),
    })
    await registry.push('image', 'v1', makeImage({ layers: [{ entries: [{ name: 'a', data: 'a' }] }] }))
    await expect(archive.findSnapshot(at(`${registry.host}/image:v1`), never)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('pull it as an image'),
    })
    await expect(archive.findSnapshot(at(`${registry.host}/none`), never)).rejects.toMatchObject({ code: 'not_found' })
    for (const reference of ['oci:none', 'docker-archive:none']) {
      await expect(archive.findSnapshot(at(reference), never)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  })
})

describe('an artifact of a stranger', () => {
  /** With these pieces, whatever is in them. */
  async function made(pieces: { mediaType: string; bytes: Buffer }[], on: OddRegistry): Promise<void> {
    const layers = pieces.map(({ mediaType, bytes }) => blobOf(bytes, mediaType))
    const config = blobOf({ formatVersion: 1 }, DESCRIPTION_TYPE)
    const manifest = blobOf(
      {
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        artifactType: ARTIFACT_TYPE,
        config: descriptorOf(config),
        layers: layers.map(descriptorOf),
        annotations: { [SIGNATURE]: 'x' },
      },
      MANIFEST_TYPE,
    )
    on.has({ manifest, config, layers } satisfies MadeImage)
  }
  const piece = (mediaType: string, entries: TarEntry[]) => ({ mediaType, bytes: zstdCompressSync(tar(entries)) })
  const files = piece(FILES_TYPE, [{ name: 'file', data: 'file' }])

  it('cannot have other pieces than a snapshot has', async () => {
    await using odd = await OddRegistry.start()
    const memory = piece(MEMORY_TYPE, [{ name: 'a', data: 'a' }])
    for (const pieces of [
      [],
      [memory],
      [files, files],
      [files, memory, memory],
      [files, { ...files, mediaType: 'x' }],
    ]) {
      await made(pieces, odd)
      await expect(archive.findSnapshot(at(`${odd.host}/image`), never)).rejects.toMatchObject({
        code: 'runtime_failed',
      })
    }
  })

  it('cannot make its memory anything but files', async () => {
    await using odd = await OddRegistry.start()
    const ways: TarEntry[][] = [
      [{ name: 'checkpoint.img', type: 'symlink', link: '/etc/shadow' }],
      [
        { name: 'a', data: 'a' },
        { name: 'b', type: 'hardlink', link: 'a' },
      ],
      [{ name: 'dir/', type: 'dir' }],
      [{ name: 'pipe', type: 'fifo' }],
      [{ name: 'null', type: 'char', device: [1, 3] }],
      [{ name: '../outside/x', data: 'evil' }],
      [{ name: 'b d', data: 'x' }],
    ]
    for (const entries of ways) {
      await made([files, piece(MEMORY_TYPE, entries)], odd)
      await using found = await archive.findSnapshot(at(`${odd.host}/image`), never)
      await expect(fill(found)).rejects.toMatchObject({ code: 'runtime_failed' })
    }
  })

  it('cannot write outside, nor more than is allowed', async () => {
    await using odd = await OddRegistry.start()
    const outside = join(scratch, 'outside')
    const evil: TarEntry[] = [
      { name: 'way', type: 'symlink', link: outside },
      { name: 'way/through', data: 'evil' },
      { name: join(outside, 'absolute'), data: 'evil' },
      { name: '../../outside/dots', data: 'evil' },
    ]
    await made([piece(FILES_TYPE, evil)], odd)
    {
      await using found = await archive.findSnapshot(at(`${odd.host}/image`), never)
      await fill(found).catch((error) => expect(error).toMatchObject({ code: 'runtime_failed' }))
    }
    await made([files, piece(MEMORY_TYPE, [{ name: 'pages.img', data: Buffer.alloc(20_000_000) }])], odd)
    await using bomb = await archive.findSnapshot(at(`${odd.host}/image`), never)
    await expect(fill(bomb, 1_000_000)).rejects.toMatchObject({ code: 'payload_too_large' })
  })

  it('whose pieces are junk, or not what they are named, is refused', async () => {
    await using odd = await OddRegistry.start()
    await made([{ mediaType: FILES_TYPE, bytes: Buffer.from('junk') }], odd)
    {
      await using found = await archive.findSnapshot(at(`${odd.host}/image`), never)
      await expect(fill(found)).rejects.toMatchObject({ code: 'runtime_failed' })
    }
    await made([files], odd)
    odd.odd = (path, _request, response) => {
      if (path !== `blobs/${blobOf(files.bytes, '').digest}`) return false
      response.writeHead(200).end(Buffer.alloc(files.bytes.length))
      return true
    }
    await using found = await archive.findSnapshot(at(`${odd.host}/image`), never)
    await expect(fill(found)).rejects.toMatchObject({ code: 'runtime_failed' })
  })

  it('in a file leads nowhere else', async () => {
    const layout = join(scratch, 'imports/layout')
    await push('oci:layout:v1')
    const digest = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0].digest.slice(7)
    execFileSync('sh', ['-euc', `mv blobs/sha256/${digest} ../moved; ln -s ../../../moved blobs/sha256/${digest}`], {
      cwd: layout,
    })
    await expect(archive.findSnapshot(at('oci:layout'), never)).rejects.toMatchObject({ code: 'runtime_failed' })
    writeFileSync(join(scratch, 'imports/junk'), 'junk')
    await expect(archive.findSnapshot(at('oci-archive:junk'), never)).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(existsSync(join(scratch, 'outside/x'))).toBe(false)
  })
})

it('signs all of the content: another piece or description is another payload', () => {
  const one = { mediaType: AGENT_TYPE, digest: `sha256:${'1'.repeat(64)}`, size: 1 }
  const two = { ...one, digest: `sha256:${'2'.repeat(64)}` }
  const payloads = [
    payloadOf(one, [two]),
    payloadOf(two, [one]),
    payloadOf(one, []),
    payloadOf(one, [{ ...two, size: 2 }]),
  ]
  expect(new Set(payloads.map(String)).size).toBe(payloads.length)
})
