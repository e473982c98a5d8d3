import type {
  Image,
  ImageDefaults,
  ImageId,
  IncarnationId,
  Resources,
  RootId,
  SandboxId,
  SnapshotId,
} from '../model.ts'
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

/** What the record of an image's build holds. */
export interface ImageDetail {
  imageId: ImageId
  /** Tags of its name that point to it once it is ready */
  tags: string[]
  /** What the request said about defaults: it wins over what the source says */
  asked?: Partial<ImageDefaults>
  /** What its sandboxes may use, of which one runs at a time but while files are copied; absent where it has none */
  builder?: Resources
  /** `null` for what an `ImageBuilder` makes */
  recipe: RecipeDetail | null
  /** Once it is known what a Dockerfile comes to */
  dockerfile?: DockerfileDetail
}

/** What of an image's record its build finds out. */
export type BuiltRecord = Pick<Image, 'sizeBytes'> &
  Partial<Pick<Image, 'source' | 'labels' | 'bootSnapshotId' | 'parentImageId'>> & { defaults: Partial<ImageDefaults> }
