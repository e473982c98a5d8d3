import type { Readable } from 'node:stream'
import type { BaseSource, ImageDefaults, Labels } from '../model.ts'

/** Turns a `BaseSource` into a root filesystem. Runs outside any sandbox, so it trusts only what its source type says. */
export interface ImageBuilder {
  /** Source types it can build. */
  readonly types: readonly BaseSource['type'][]
  /**
   * Fills the empty directory `dir`; returns what the source says about the image. `access` is for sources of type `oci`
   * in a registry, `null` for anybody's; `uploads` reads what those of type `layers` name. Rejects `runtime_failed` with the log's end.
   */
  build(
    source: BaseSource,
    dir: string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
    access?: RegistryAccess | null,
    uploads?: ReadUpload,
  ): Promise<BuiltImage>
}

/** An upload of the team that the image is for. Rejects `not_found`. */
export type ReadUpload = (key: string) => Promise<{ sizeBytes: number; body: Readable }>

export interface BuiltImage {
  defaults: Partial<ImageDefaults>
  /** With what was found out about it */
  source?: BaseSource
  labels?: Labels
}

/** How a registry is reached, and as whom. */
export interface RegistryAccess {
  /** Without TLS; absent means only if it is on this host's loopback */
  plainHttp?: boolean
  username: string | null
  password: string | null
  /** Keys for which AWS hands out user and password, in place of those */
  aws?: AwsRegistryKeys
}

/** Of an account whose registries are asked. */
export interface AwsRegistryKeys {
  /** As in `eu-west-1` */
  region: string
  accessKeyId: string
  secretAccessKey: string
}

export interface BuildProgress {
  step: string
  /** 0 to 1 where known */
  fraction: number | null
  line: string | null
}
