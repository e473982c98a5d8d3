import type { ImageDefaults, ImageId, IncarnationId, RootId, SandboxId, SnapshotId } from '../model.ts'
import type { RootSource } from '../ports/index.ts'

/**
 * A sandbox that a build works in. It has no record of its own, so nobody can list, count or reach it: its operation's
 * record has its ids, before anything of it exists.
 */
export interface Footing {
  sandboxId: SandboxId
  incarnationId: IncarnationId
  rootId: RootId
}

/** The id of everything that the steps of one stage may make. */
export interface StageDetail {
  builder: Footing
  /** Sandboxes that files are copied from, by number of the step */
  donors: Record<number, Footing>
  /** Layer of each step in turn; `null` for those that leave none */
  layers: (SnapshotId | null)[]
}

/** What a Dockerfile came to, of which the build may have made some. */
export interface DockerfileDetail {
  stages: StageDetail[]
  /** An image without files, for stages that begin with nothing; goes at the end */
  scratch: ImageId
}

/** What a recipe began with, and the id of everything that its build may make. */
export interface RecipeDetail extends StageDetail {
  base: {
    source: RootSource
    defaults: ImageDefaults
    /** Empty unless its sandboxes begin with it running */
    startCommand: string[]
    readyCommand: string | null
  }
  /** Images that steps copy from, by number of the step */
  images: Record<number, ImageId>
  boot: Footing & { snapshotId: SnapshotId }
}
