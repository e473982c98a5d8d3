import type { ImageReference } from '../image-reference.ts'
import type { ImageDefaults, Labels } from '../model.ts'
import type { BuildProgress, RegistryAccess } from './image-builder.ts'

/**
 * Carries what this server has to where images are kept. Errors: `forbidden`, `not_found`, `rate_limited` and `unavailable`
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
}

export interface PackedRoot {
  /** Opaque value of `Pool.rootPath` */
  rootPath: string
  /** About how many bytes are in it, for progress */
  sizeBytes: number
  defaults: ImageDefaults
  labels: Labels
  createdAt: Date
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
