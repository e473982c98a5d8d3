import type { ImageId, RegistryId, SnapshotId, TeamId } from '../ids.ts'
import type { Resources } from './sandbox.ts'
import type { Env, Labels } from './team.ts'

export type ImageState = 'building' | 'ready' | 'failed' | 'deleting'

/** What every sandbox made from an image starts with. */
export interface ImageDefaults {
  env: Env
  /** User that processes run as unless told: a name or `uid[:gid]` */
  user: string
  workdir: string
  /** Program started under the agent when a sandbox boots; empty for none */
  startCommand: string[]
  /**
   * What `startCommand` begins with however else it goes on, as a Dockerfile's ENTRYPOINT does. Means nothing where the start
   * command begins otherwise.
   */
  entrypoint?: string[]
  /** TCP ports that its programs listen on, as an image from a registry says; for information only */
  exposedPorts?: number[]
  /** The start command is only for whoever asks what the image would run: sandboxes boot without it */
  idle?: boolean
}

export type ImageSource = BaseSource | RecipeSource | DockerfileSource

/** Root filesystems that come from outside: an `ImageBuilder` makes them. */
export type BaseSource =
  | { type: 'debian'; suite: string; packages: string[] }
  | { type: 'tar'; path: string }
  /**
   * `reference` as `parseImageReference` reads it; `registryId` is the stored registry whose password was used, `digest`
   * what it stood for when it was pulled
   */
  | { type: 'oci'; reference: string; registryId?: RegistryId; digest?: string }
  /** Uploads that are an image's config and its layers, lowest first: `sha256:HEX`; layers are tar, plain, gzip or zstd */
  | { type: 'layers'; config: string; layers: string[] }

/** Steps run one after the other in a sandbox that starts from `from`; what its files are at the end is the image. */
export interface RecipeSource {
  type: 'recipe'
  /** Image or snapshot that the first step finds; of a snapshot its files alone */
  from: string
  steps: BuildStep[]
  /** Shell command that runs when a sandbox boots; it already runs, with its memory, in every sandbox of the image */
  startCommand?: string | undefined
  /** Shell command that succeeds once the start command has done its part */
  readyCommand?: string | undefined
  /** Runs every step, whatever earlier builds left */
  force?: boolean | undefined
}

/** Built as `docker build` does, each instruction in a sandbox; see docs/images.md for what is understood. */
export interface DockerfileSource {
  type: 'dockerfile'
  /** The text itself; absent, that of the file `path` in the context */
  dockerfile?: string | undefined
  /** Where it is in the context, and what messages call it; default `Dockerfile` */
  path?: string | undefined
  /** Keys of uploaded tar archives, plain or gzip, laid over each other: what COPY and ADD find. Absent: nothing */
  context?: string | string[] | undefined
  /** Keys of uploads that are files of the context by themselves, by their paths in it */
  files?: Record<string, string> | undefined
  /** Values for its ARGs. They stay in the image's record: not for secrets */
  buildArgs?: Record<string, string> | undefined
  /** Name or number of the stage that is the image; default the last */
  target?: string | undefined
  /** Runs every step, whatever earlier builds left */
  force?: boolean | undefined
  /** Asks registries for images that were pulled before, too */
  pull?: boolean | undefined
}

/** A step with `force`, and all that follow it, are run whatever earlier builds left. */
export type BuildStep = (RunStep | CopyStep | EnvStep | WorkdirStep | UserStep) & { force?: boolean | undefined }

export interface RunStep {
  type: 'run'
  /** For a login shell, bash where the image has one */
  command: string
  /** Run in place of `command`, which is then what it is called: no shell but the one that this names */
  args?: string[] | undefined
  /** For this step alone, over what env steps said */
  env?: Env | undefined
  /** Default the one of the last user step */
  user?: string | undefined
  /** Directories for this step alone, in place of what is there */
  mounts?: RunMount[] | undefined
  /** Secrets of the request that this step alone has */
  secrets?: RunSecret[] | undefined
}

/** Its value is in no record and no layer. */
export interface RunSecret {
  id: string
  /** Whether the build fails if the request does not have it; else the step runs without */
  required: boolean
  /** File that it is in while the step runs, relative to the working directory; `null` for none */
  target: string | null
  /** Variable that it is in */
  env: string | null
  /** Permission bits of the file */
  mode: number
  /** `uid:gid` of the file */
  owner: string
}

export interface RunMount {
  /** Relative to the working directory */
  target: string
  /** Name under which a later build finds again what this one leaves in it; `null` for an empty one */
  cache: string | null
  /** Where a `passing` step has put what is to be there, a file or a directory; what the step makes of it is not kept */
  held?: string | undefined
  /** Permission bits of the directory, default 0o755 */
  mode?: number | undefined
  /** `uid` or `uid:gid`, default root */
  owner?: string | undefined
}

/** Exactly one of `blob` and `fromImage`. */
export interface CopyStep {
  type: 'copy'
  /** What it copies is for the step that follows, which takes it away; no layer is kept of it */
  passing?: boolean | undefined
  /** Key of an uploaded tar archive, plain or gzip */
  blob?: string | undefined
  /** Image whose files are copied */
  fromImage?: string | undefined
  /** Path in the archive or the image, which may have `*`, `?` and `[...]`; of a directory its content is copied */
  source: string
  /** Relative to the working directory; a directory if it ends with `/`, is one, or if several things are copied */
  destination: string
  /** Owner of all that is copied, `user[:group]`; default the user of the recipe at this step */
  user?: string | undefined
  /** What is copied keeps its owners, in place of `user` */
  keepOwners?: boolean | undefined
  /** Permission bits of all that is copied; default those in the archive */
  mode?: number | undefined
}

export interface EnvStep {
  type: 'env'
  /** For the steps that follow, and for every sandbox of the image */
  env: Env
}

export interface WorkdirStep {
  type: 'workdir'
  /** Made if missing; relative to the one before */
  path: string
  /** Owner if it is made; default the user of the recipe at this step */
  user?: string | undefined
}

export interface UserStep {
  type: 'user'
  /** A name or `uid[:gid]` */
  user: string
}

export interface Image {
  id: ImageId
  teamId: TeamId
  name: string
  state: ImageState
  failure: string | null
  source: ImageSource
  defaults: ImageDefaults
  /** What its sandboxes get unless told; what is absent comes from the server */
  resources: Partial<Resources>
  /** Internal memory snapshot that its sandboxes are started from; `null` if they boot */
  bootSnapshotId: SnapshotId | null
  /** Image that a recipe began with */
  parentImageId: ImageId | null
  /** Bytes of the root filesystem */
  sizeBytes: number
  labels: Labels
  createdAt: Date
  readyAt: Date | null
}

/** One line of what a build did and printed. */
export interface BuildLogEntry {
  at: Date
  level: 'debug' | 'info' | 'warn' | 'error'
  /** `base`, the number of a step counted from 1 or `[build 2/5]` of a Dockerfile, `finalize`; `null` where it concerns none */
  step: string | null
  message: string
}
