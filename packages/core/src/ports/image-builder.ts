import type { BaseSource, ImageDefaults } from '../model.ts'

/** Turns a `BaseSource` into a root filesystem. Runs outside any sandbox, so it trusts only what its source type says. */
export interface ImageBuilder {
  /** Source types it can build. */
  readonly types: readonly BaseSource['type'][]
  /** Fills the empty directory `dir`; returns what the source says about defaults. Rejects `runtime_failed` with the log's end. */
  build(
    source: BaseSource,
    dir: string,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<Partial<ImageDefaults>>
}

export interface BuildProgress {
  step: string
  /** 0 to 1 where known */
  fraction: number | null
  line: string | null
}
