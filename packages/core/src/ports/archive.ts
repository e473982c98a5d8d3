import type { ImageReference, RegistryReference } from '../image-reference.ts'
import type { ImageDefaults, Labels } from '../model.ts'
import type { BuildProgress, RegistryAccess } from './image-builder.ts'

/**
 * Carries what this server has to where images are kept, and snapshots back. Errors: `forbidden`, `not_found`, `rate_limited` and `unavailable`
 * as a registry says, `invalid_argument` for a file that exists, `disk_full`, `cancelled`, `timeout`, `runtime_failed`.
 * What was begun when it ends early is removed here, and is nothing but loose pieces in a registry.
 */
export interface Archive {
  /**
   * Packs a root filesystem as an image that any container engine runs. Preconditions: nobody writes to `rootPath`, whose
   * content is hostile.
   */
  pushImage(
    root: PackedRoot,
    target: ArchiveTarget,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<Pushed>
  /**
   * Packs a snapshot with everything that another server needs to go on from it, as an artifact of a media type of our
   * own. `sign` is given what stands for all of its content.
   */
  pushSnapshot(
    snapshot: PackedSnapshot,
    target: ArchiveTarget,
    sign: (payload: Buffer) => string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<Pushed>
  /** Reads what such an artifact says of itself, and nothing more. Rejects `invalid_argument` if it is something else. */
  findSnapshot(source: ArchiveTarget, signal: AbortSignal): Promise<FoundSnapshot>
}

export interface PackedSnapshot {
  /** JSON for whoever takes it in */
  description: object
  rootPath: string
  /** Directory that `checkpoint` filled; `null` without memory */
  memoryDir: string | null
  /** The agent that the memory was frozen with */
  agentFile: string | null
  /** About how many bytes there are, for progress */
  sizeBytes: number
}

/** An artifact whose content has not been transferred yet. What comes is checked against its digests. */
export interface FoundSnapshot extends AsyncDisposable {
  /** A stranger's words */
  description: unknown
  digest: string
  /** What `sign` was given, as it follows from what was read, and what it returned */
  payload: Buffer
  signature: string | null
  hasMemory: boolean
  /** SHA-256 (hex) of the agent in it */
  agentDigest: string | null
  /** Bytes to transfer */
  packedBytes: number
  /** Fills the empty directory `dir` with the root filesystem, whose content is hostile. */
  fillRoot(dir: string, report: (progress: BuildProgress) => void, signal: AbortSignal): Promise<void>
  /** Fills the empty directory `dir` with plain files only. Rejects `payload_too_large` beyond `maxBytes`. */
  fillMemory(
    dir: string,
    maxBytes: number,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<void>
  /** Path of the agent, until this is disposed of. Preconditions: there is one. */
  agentFile(signal: AbortSignal): Promise<string>
}

export interface PackedRoot {
  /** Opaque value of `Pool.rootPath` */
  rootPath: string
  /** About how many bytes are in it, for progress */
  sizeBytes: number
  defaults: ImageDefaults
  labels: Labels
  createdAt: Date
  /** The image that its files were cloned from; `null` if they come from elsewhere */
  base: PackedBase | null
}

/** An image of a registry. Its layers are pushed as they are where they can still be had. */
export interface PackedBase {
  /** Opaque value of `Pool.rootPath`: what the image was before anybody wrote to it */
  rootPath: string
  /** With the digest that was pulled */
  reference: RegistryReference
  access: RegistryAccess | null
}

export interface ArchiveTarget {
  reference: ImageReference
  access: RegistryAccess | null
}

export interface Pushed {
  /** Of the manifest: what to pull it by, whatever its tag means later */
  digest: string
  /** Bytes of all that belongs to it, packed */
  sizeBytes: number
}
