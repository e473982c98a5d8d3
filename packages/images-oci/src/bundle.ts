import { createHash } from 'node:crypto'
import { link, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FetchedImage } from './fetched-image.ts'
import { type Descriptor, diffIds, machinePlatform, malformed } from './manifest.ts'
import { packingOf, unpackFile } from './packing.ts'

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'
const PLAIN = 'application/vnd.oci.image.layer.v1.tar'

/**
 * Makes in `dir` the OCI layout that umoci unpacks, from blobs that are elsewhere: the same layers under OCI's names, gzip
 * or plain, whatever Docker or zstd called and packed them. `limitBytes` bounds what is unpacked here.
 */
export async function makeLayout(
  fetched: FetchedImage,
  dir: string,
  limitBytes: number,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(join(dir, 'blobs/sha256'), { recursive: true, mode: 0o700 })
  const ids = diffIds(fetched.config, fetched.image.layers.length)
  const layers: Descriptor[] = []
  let left = limitBytes
  for (const [index, layer] of fetched.image.layers.entries()) {
    const [path, id = ''] = [fetched.path(layer), ids[index]]
    const kind = await packingOf(path)
    if (kind === 'zstd') {
      const { digest, size } = await unpackFile(path, kind, blobPath(dir, id), left, signal)
      if (digest !== id) throw malformed(`a layer unpacks to ${digest} instead of ${id}`)
      left -= size
      layers.push({ mediaType: PLAIN, digest: id, size })
    } else {
      await linkOnce(path, blobPath(dir, layer.digest))
      layers.push({ ...layer, mediaType: kind === 'gzip' ? GZIP : PLAIN })
    }
  }
  // Of the config, what umoci needs: it is strict about fields that are of no use to it.
  const { os, architecture } = machinePlatform()
  const config = await writeBlob(dir, 'application/vnd.oci.image.config.v1+json', {
    os,
    architecture,
    rootfs: { type: 'layers', diff_ids: ids },
  })
  const manifest = await writeBlob(dir, 'application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    config,
    layers,
  })
  const annotations = { 'org.opencontainers.image.ref.name': 'image' }
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] }
  await writeFile(join(dir, 'index.json'), JSON.stringify(index))
  await writeFile(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
}

async function writeBlob(dir: string, mediaType: string, content: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(content))
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  await writeFile(blobPath(dir, digest), bytes)
  return { mediaType, digest, size: bytes.length }
}

function blobPath(dir: string, digest: string): string {
  return join(dir, 'blobs/sha256', digest.slice('sha256:'.length))
}

async function linkOnce(from: string, to: string): Promise<void> {
  await link(from, to).catch((error: NodeJS.ErrnoException) => {
    // The same layer twice.
    if (error.code !== 'EEXIST') throw error
  })
}
