import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type TarEntry, tar } from './tar.ts'

export type Packing = 'gzip' | 'zstd' | 'plain'

export interface ImageOptions {
  layers: { entries: TarEntry[]; packing?: Packing }[]
  /** Of the image's config */
  config?: Record<string, unknown>
  architecture?: string
  os?: string
  /** Media types as Docker's own registry has them, instead of OCI's */
  docker?: boolean
}

export interface Blob {
  digest: string
  bytes: Buffer
  mediaType: string
}

/** An image made by hand: the manifest first, then its config and its layers. */
export interface MadeImage {
  manifest: Blob
  config: Blob
  layers: Blob[]
}

const OCI = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  plain: 'application/vnd.oci.image.layer.v1.tar',
}
const DOCKER = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  gzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  zstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  plain: 'application/vnd.docker.image.rootfs.diff.tar',
}
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'

const PACK = { gzip: gzipSync, zstd: zstdCompressSync, plain: (bytes: Buffer) => bytes }
export const MACHINE = process.arch === 'x64' ? 'amd64' : process.arch

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function blobOf(bytes: Buffer | object, mediaType: string): Blob {
  const content = Buffer.isBuffer(bytes) ? bytes : Buffer.from(JSON.stringify(bytes))
  return { digest: digestOf(content), bytes: content, mediaType }
}

export function descriptorOf({ digest, bytes, mediaType }: Blob) {
  return { mediaType, digest, size: bytes.length }
}

export function makeImage(options: ImageOptions): MadeImage {
  const types = options.docker ? DOCKER : OCI
  const tars = options.layers.map(({ entries }) => tar(entries))
  const layers = tars.map((bytes, index) => {
    const packing = options.layers[index]?.packing ?? 'gzip'
    return blobOf(PACK[packing](bytes), types[packing])
  })
  return assemble(options, types, layers, tars.map(digestOf))
}

/** An image of layers that are there already, all of them plain archives. */
export function makeImageOf(layers: Blob[]): MadeImage {
  return assemble(
    { layers: [] },
    OCI,
    layers,
    layers.map(({ digest }) => digest),
  )
}

function assemble(options: ImageOptions, types: typeof OCI, layers: Blob[], diffIds: string[]): MadeImage {
  const config = blobOf(
    {
      architecture: options.architecture ?? MACHINE,
      os: options.os ?? 'linux',
      config: options.config ?? {},
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: diffIds.map(() => ({ created_by: 'by hand' })),
    },
    types.config,
  )
  return { manifest: manifestOf(config, layers, types.manifest), config, layers }
}

export function manifestOf(config: Blob, layers: Blob[], mediaType = OCI.manifest): Blob {
  return blobOf(
    { schemaVersion: 2, mediaType, config: descriptorOf(config), layers: layers.map(descriptorOf) },
    mediaType,
  )
}

/** An index of one image for each platform, `os/architecture[/variant]`. */
export function indexOf(images: Record<string, MadeImage>): Blob {
  const manifests = Object.entries(images).map(([platform, { manifest }]) => {
    const [os, architecture, variant] = platform.split('/')
    return { ...descriptorOf(manifest), platform: { os, architecture, ...(variant ? { variant } : {}) } }
  })
  return blobOf({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests }, INDEX_TYPE)
}

/** Writes an OCI layout that names the image by `tag`. */
export function writeLayout(dir: string, image: MadeImage, tag = 'latest'): void {
  mkdirSync(join(dir, 'blobs/sha256'), { recursive: true })
  for (const { digest, bytes } of [image.manifest, image.config, ...image.layers]) {
    writeFileSync(join(dir, 'blobs/sha256', digest.slice(7)), bytes)
  }
  const entry = { ...descriptorOf(image.manifest), annotations: { 'org.opencontainers.image.ref.name': tag } }
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  writeFileSync(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
}
