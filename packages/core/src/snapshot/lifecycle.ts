import type { ImageState, SnapshotState } from '../model.ts'

/**
 *   creating ──published──► ready ──delete──► deleting ──► (row gone)
 *      └──fail──► failed ──delete──► deleting
 *
 * `ready` is reached only after the pool has acknowledged the published snapshot. A failed snapshot holds no data; its row
 * stays to say why, until it is deleted.
 */
export const SNAPSHOT_LIFECYCLE = {
  creating: { published: 'ready', fail: 'failed' },
  ready: { delete: 'deleting' },
  failed: { delete: 'deleting' },
  deleting: {},
} as const satisfies { [S in SnapshotState]: { readonly [E in string]?: SnapshotState } }

/** Images live as snapshots do, with `building` for `creating`. */
export const IMAGE_LIFECYCLE = {
  building: { published: 'ready', fail: 'failed' },
  ready: { delete: 'deleting' },
  failed: { delete: 'deleting' },
  deleting: {},
} as const satisfies { [S in ImageState]: { readonly [E in string]?: ImageState } }
