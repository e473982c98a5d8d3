import type { Principal, Started } from '../api.ts'
import type { BuildLogEntry, Image, ImageDefaults, ImageSource, Labels, Resources } from '../model.ts'
import type { AwsRegistryKeys, Page, PageRequest } from '../ports/index.ts'

export interface BuildImageRequest {
  /** `[a-z0-9][a-z0-9._-]{0,63}`; may be used again, and then means the latest ready one */
  name: string
  /** Tags of the name that point to the image once it is ready */
  tags?: string[] | undefined
  source: ImageSource
  defaults?: Partial<ImageDefaults> | undefined
  /** For sandboxes made from it that are not told otherwise; a recipe is built with them too */
  resources?: Partial<Resources> | undefined
  /** Of the sandboxes that it is built in, over `resources`; sandboxes of the image have those alone */
  builder?: Partial<Resources> | undefined
  labels?: Labels | undefined
  /**
   * Stored registry, by id or name, whose user and password are for this pull. Absent, the team's registry at the same
   * address is taken, the one with the longest prefix first.
   */
  registry?: string | undefined
  /** For this pull from a registry, before any that are stored; kept nowhere */
  credentials?: { username: string; password: string } | { aws: AwsRegistryKeys } | undefined
  /** By id, for the steps of a Dockerfile that ask for them; kept nowhere, and nothing a step is found again by */
  secrets?: Record<string, string> | undefined
}

export interface ImagesApi {
  build(by: Principal, request: BuildImageRequest): Promise<Started<Image>>
  get(by: Principal, ref: string): Promise<Image>
  list(
    by: Principal,
    filter: { name?: string | undefined; states?: Image['state'][] | undefined; labels?: Labels | undefined },
    page: PageRequest,
  ): Promise<Page<Image>>
  /**
   * Ends its build; resolves once nothing of that is left, with the image, which has failed. Only by id is an image found that
   * is not ready. One that was cancelled before is answered alike; rejects `wrong_state` for any other that is not being built.
   */
  cancel(by: Principal, ref: string): Promise<Image>
  /** Sandboxes, snapshots and images made from it live on. With `ifUnused`, `in_use` while sandboxes started from it live. */
  delete(by: Principal, ref: string, options?: { ifUnused?: boolean | undefined }): Promise<void>
  /**
   * What its build did and printed: entries from number `offset` on, at most `limit` (1 to 1,000). Nothing is added once
   * the image is ready or failed; of a failed one the last entry has the level `error` and the step that failed.
   */
  log(by: Principal, ref: string, range: { offset: number; limit: number }): Promise<BuildLogEntry[]>
}
