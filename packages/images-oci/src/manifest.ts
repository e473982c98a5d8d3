import { SpawnpointError } from '@spawnpoint/core'
import { array, type JsonObject, object, parseObject, text, texts } from './json.ts'

/** Names content by its digest. */
export interface Descriptor {
  mediaType: string
  /** `sha256:` and 64 hex digits */
  digest: string
  size: number
  /** Addresses where it is if the image's registry does not have it */
  urls?: readonly string[]
}

export interface ImageManifest {
  config: Descriptor
  layers: Descriptor[]
}

/** What a manifest's bytes turned out to be: an image, or a list to choose the machine's platform from. */
export type ParsedManifest = { kind: 'image'; image: ImageManifest } | { kind: 'index'; entries: IndexEntry[] }

export interface IndexEntry extends Descriptor {
  platform: Platform | null
}

export interface Platform {
  os: string
  architecture: string
  variant: string | null
}

const DIGEST = /^sha256:[0-9a-f]{64}$/
/** Docker stops at 127 layers. */
const MAX_LAYERS = 256
const MAX_ENTRIES = 1_000
const MAX_URLS = 8
const INDEX_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]

/** Rejects `runtime_failed` saying what is wrong with it. */
export function parseManifest(bytes: Buffer, mediaType: string): ParsedManifest {
  const parsed = parseObject(bytes)
  if (parsed === undefined) throw malformed('the manifest is not JSON')
  if (parsed.schemaVersion !== 2) throw malformed('the manifest is of a version that was given up in 2017')
  const type = text(parsed.mediaType) ?? mediaType
  if (INDEX_TYPES.includes(type) || (array(parsed.manifests) !== undefined && parsed.config === undefined)) {
    const entries = array(parsed.manifests) ?? []
    if (entries.length > MAX_ENTRIES) throw malformed('the index has too many entries')
    return { kind: 'index', entries: entries.map(indexEntry) }
  }
  const config = object(parsed.config)
  const layers = array(parsed.layers)
  if (config === undefined || layers === undefined) throw malformed('the manifest has no config or no layers')
  if (layers.length > MAX_LAYERS) throw malformed(`the manifest has more than ${MAX_LAYERS} layers`)
  return { kind: 'image', image: { config: descriptor(config), layers: layers.map(descriptor) } }
}

function indexEntry(value: unknown): IndexEntry {
  const platform = object(object(value)?.platform)
  const [os, architecture] = [text(platform?.os), text(platform?.architecture)]
  return {
    ...descriptor(value),
    platform:
      os === undefined || architecture === undefined
        ? null
        : { os, architecture, variant: text(platform?.variant) || null },
  }
}

export function descriptor(value: unknown): Descriptor {
  const fields = object(value)
  const [digest, size] = [text(fields?.digest), fields?.size]
  if (digest === undefined || !DIGEST.test(digest)) throw malformed('a digest in the manifest is not sha256')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw malformed('a size in it is no size')
  const urls = (texts(fields?.urls) ?? []).slice(0, MAX_URLS)
  return { mediaType: text(fields?.mediaType) ?? '', digest, size, ...(urls.length > 0 ? { urls } : {}) }
}

// ---------------------------------------------------------------- platform

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

export function machinePlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch, variant: null }
}

/** The entry for this machine; of several, the one that every machine of its kind can run. Rejects `incompatible`. */
export function chooseEntry(entries: IndexEntry[], machine: Platform): IndexEntry {
  const fitting = entries.filter(({ platform }) => platform !== null && fits(platform, machine))
  const plain = (entry: IndexEntry) => [null, 'v1', 'v8'].includes(entry.platform?.variant ?? null)
  const chosen =
    fitting.find(plain) ?? fitting[0] ?? (entries.length === 1 && !entries[0]?.platform ? entries[0] : null)
  if (chosen) return chosen
  const has = entries.flatMap(({ platform }) =>
    platform === null || platform.os === 'unknown' ? [] : [printable(`${platform.os}/${platform.architecture}`)],
  )
  throw otherPlatform(machine, [...new Set(has)].slice(0, 20).join(', ') || 'nothing')
}

export function checkPlatform(config: JsonObject, machine: Platform): void {
  const [os, architecture] = [text(config.os) || machine.os, text(config.architecture) || machine.architecture]
  if (!fits({ os, architecture, variant: null }, machine))
    throw otherPlatform(machine, printable(`${os}/${architecture}`))
}

function fits(platform: Platform, machine: Platform): boolean {
  return platform.os === machine.os && platform.architecture === machine.architecture
}

export function otherPlatform(machine: Platform, has: string): SpawnpointError<'incompatible'> {
  const needs = `${machine.os}/${machine.architecture}`
  return new SpawnpointError('incompatible', `The image is not for this machine (${needs}); it is for ${has}`, {
    needs,
    has,
  })
}

// ---------------------------------------------------------------- config

/** Digests of the layers' plain tar archives, one for each layer of the manifest. */
export function diffIds(config: JsonObject, layers: number): string[] {
  const ids = texts(object(config.rootfs)?.diff_ids)
  if (ids === undefined || ids.length !== layers || !ids.every((id) => DIGEST.test(id))) {
    throw malformed("the config's list of layers is not the manifest's")
  }
  return ids
}

export function malformed(detail: string): SpawnpointError<'runtime_failed'> {
  return new SpawnpointError('runtime_failed', `The image is broken: ${detail}`, { step: 'read the image', detail })
}

/** Of what an image says about itself, what may be shown. */
export function printable(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return value.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').slice(0, 200)
}
