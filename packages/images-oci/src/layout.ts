import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Descriptor } from './manifest.ts'

export const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'

/** An OCI layout that is being written: blobs by digest, and at the end one image with a tag. */
export class LayoutWriter {
  readonly dir: string

  private constructor(dir: string) {
    this.dir = dir
  }

  static async make(dir: string): Promise<LayoutWriter> {
    await mkdir(join(dir, 'blobs/sha256'), { recursive: true, mode: 0o700 })
    return new LayoutWriter(dir)
  }

  path(digest: string): string {
    return join(this.dir, 'blobs/sha256', digest.slice('sha256:'.length))
  }

  async json(mediaType: string, content: object): Promise<Descriptor & { bytes: Buffer }> {
    const bytes = Buffer.from(JSON.stringify(content))
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    await writeFile(this.path(digest), bytes)
    return { mediaType, digest, size: bytes.length, bytes }
  }

  /** Takes over a file of the same file system. */
  async take(path: string, digest: string): Promise<void> {
    await rename(path, this.path(digest))
  }

  /** As it is. */
  async copy(from: string, mediaType: string): Promise<Descriptor> {
    const bytes = await readFile(from)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    await writeFile(this.path(digest), bytes)
    return { mediaType, digest, size: bytes.length }
  }

  async finish({ mediaType, digest, size }: Descriptor, tag: string): Promise<void> {
    const annotations = { 'org.opencontainers.image.ref.name': tag }
    const index = { schemaVersion: 2, manifests: [{ mediaType, digest, size, annotations }] }
    await writeFile(join(this.dir, 'index.json'), JSON.stringify(index))
    await writeFile(join(this.dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  }
}

/** What a manifest says of a blob, and nothing else that we know of it. */
export function named({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}
