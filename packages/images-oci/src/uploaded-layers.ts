import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type BaseSource, type BuildProgress, type ReadUpload, SpawnpointError } from '@spawnpoint/core'
import { type FetchedImage, readConfig } from './fetched-image.ts'
import { CONFIG_TYPE } from './layout.ts'
import { diskError } from './limits.ts'
import { type Descriptor, malformed } from './manifest.ts'

export interface UploadsOptions {
  /** Empty, for copies of the layers */
  workDir: string
  maxBytes: number
  report: (progress: BuildProgress) => void
  signal: AbortSignal
}

/** What a layer is packed with is told by its first bytes. */
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar'

/** An image whose layers somebody has uploaded, with the config that belongs to them. Digests are checked on the way. */
export async function uploadedImage(
  { config, layers: keys }: BaseSource & { type: 'layers' },
  read: ReadUpload,
  { workDir, maxBytes, report, signal }: UploadsOptions,
): Promise<FetchedImage> {
  const dir = join(workDir, 'uploads')
  await mkdir(dir, { mode: 0o700 })
  const path = ({ digest }: Pick<Descriptor, 'digest'>) => join(dir, digest.slice('sha256:'.length))
  let total = 0
  const sizes = new Map<string, number>()
  for (const [index, digest] of [config, ...keys].entries()) {
    if (sizes.has(digest)) continue
    report({ step: 'read', fraction: index / (keys.length + 1), line: null })
    const { sizeBytes, body } = await read(digest)
    total += sizeBytes
    if (total > maxBytes) {
      body.destroy()
      const message = `The image has more than ${maxBytes} bytes of layers`
      throw new SpawnpointError('payload_too_large', message, { limitBytes: maxBytes })
    }
    const actual = await copied(body, path({ digest }), signal)
    if (actual !== digest) throw malformed(`the upload ${digest} has the digest ${actual}`)
    sizes.set(digest, sizeBytes)
  }
  const layers = keys.map((digest) => ({ mediaType: LAYER_TYPE, digest, size: sizes.get(digest) ?? 0 }))
  const described = { mediaType: CONFIG_TYPE, digest: config, size: sizes.get(config) ?? 0 }
  return {
    digest: described.digest,
    image: { config: described, layers },
    config: await readConfig(path(described), described),
    path,
    [Symbol.asyncDispose]: async () => {},
  }
}

async function copied(from: Readable, to: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  const hashed = async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      hash.update(piece)
      yield piece
    }
  }
  await pipeline(from, hashed, createWriteStream(to, { mode: 0o600 }), { signal }).catch(diskError)
  return `sha256:${hash.digest('hex')}`
}
