import type { Principal } from '../api.ts'
import type { ImageId, Name, SnapshotId, Tag } from '../model.ts'
import type { Page, PageRequest } from '../ports/index.ts'

export type TagTarget = { imageId: ImageId } | { snapshotId: SnapshotId }

/** Names begin with a letter or digit and have letters, digits, `.`, `_` and `-`, as do tags, which may begin with `_` too. */
export interface NamesApi {
  /** By id or name. */
  get(by: Principal, ref: string): Promise<Name>
  /** The team's name of this text, made if there is none. */
  ensure(by: Principal, name: string): Promise<Name>
  list(by: Principal, page: PageRequest): Promise<Page<Name>>
  /** With its tags; what they pointed to stays. */
  delete(by: Principal, ref: string): Promise<void>
  /** Newest first. */
  tags(by: Principal, ref: string): Promise<Tag[]>
  /** Points each tag to `target`, also one that exists. Rejects `wrong_state` unless the target is ready. */
  tag(by: Principal, ref: string, tags: string[], target: TagTarget): Promise<Tag[]>
  /** Tags that do not exist are ignored. */
  untag(by: Principal, ref: string, tags: string[]): Promise<void>
  /** Every tag that points to one of these images or snapshots, with its name. */
  tagsOf(by: Principal, ids: readonly (ImageId | SnapshotId)[]): Promise<{ name: Name; tag: Tag }[]>
}
