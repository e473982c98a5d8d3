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

/** What a recipe began with, and the id of everything that its build may make. */
export interface RecipeDetail {
  base: {
    source: RootSource
    defaults: ImageDefaults
    /** Empty unless its sandboxes begin with it running */
    startCommand: string[]
    readyCommand: string | null
  }
  /** Images that steps copy from, by number of the step */
  images: Record<number, ImageId>
  builder: Footing
  /** Sandboxes that files are copied from, by number of the step */
  donors: Record<number, Footing>
  /** Layer of each step in turn; `null` for those that leave none */
  layers: (SnapshotId | null)[]
  boot: Footing & { snapshotId: SnapshotId }
}
