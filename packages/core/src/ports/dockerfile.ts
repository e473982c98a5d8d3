import type { Readable } from 'node:stream'
import type { BuildStep, DockerfileSource, ImageDefaults, Labels } from '../model.ts'

/**
 * Understands Dockerfiles. Text and context come from a stranger: a driver bounds what they make it remember, and puts
 * nothing of a context anywhere but into what `pack` gives.
 */
export interface DockerfileReader {
  /** Rejects `invalid_argument` for a text that is no Dockerfile, with `FILE:LINE: …` as its message. */
  check(source: DockerfileSource): void
  /**
   * The Dockerfile and what it needs. `open` opens an upload that `source` names from the beginning, as often as it is
   * called. Rejects `invalid_argument`, and `payload_too_large` for a context beyond `maxBytes` unpacked.
   */
  read(
    source: DockerfileSource,
    open: (key: string) => Promise<Readable>,
    limits: { maxBytes: number },
  ): Promise<DockerfileBuild>
}

export interface DockerfileBuild {
  /** Images that are to be there before `plan`, as the file names them */
  readonly images: { name: string; line: number }[]
  /**
   * `bases` has what each of `images` starts with, by name. What the file adds from addresses is looked at here, and read
   * again by `pack`. Rejects as `read`.
   */
  plan(bases: ReadonlyMap<string, ImageDefaults>, signal: AbortSignal): Promise<DockerfilePlan>
  /** A tar archive of what a step copies from the context: the content of `blob`, which follows from it. */
  pack(blob: string): Readable
  /** The lines around one, to show where something went wrong */
  excerpt(line: number): string[]
}

export interface DockerfilePlan {
  /** Those that the image needs, in their order; it is the last. */
  stages: DockerfileStage[]
  /** Keys of archives that `pack` makes */
  blobs: string[]
  warnings: string[]
  start: Pick<ImageDefaults, 'startCommand' | 'entrypoint' | 'exposedPorts'>
  labels: Labels
}

/** Where files come from: an image by its name in the file, or an earlier stage by its place in `stages`. */
export type DockerfileOrigin = { image: string } | { stage: number }

export interface DockerfileStage {
  /** `null` for nothing at all */
  from: DockerfileOrigin | null
  line: number
  /** Of its beginning, as of a step */
  label: string | null
  title: string
  steps: DockerfileStep[]
}

export interface DockerfileStep {
  step: BuildStep
  /** Where a copy step that has no blob takes its files */
  from: DockerfileOrigin | null
  line: number
  /** `[build 2/5]`, the same for all that one instruction comes to; `null` where nothing is told of it */
  label: string | null
  /** The instruction in one line */
  title: string
}
