import type { ImageState, SnapshotState } from '../model.ts'

/**
 *   creating ──published──► ready ──trash──► trashed ──delete──► deleting ──► (row gone)
 *      │                     ▲ └────delete──────┼───────────────────▲
 *      │                     └────undelete──────┘                   │
 *      └──fail──► failed ──delete───────────────────────────────────┘
 *
 * `ready` is reached only after the pool has acknowledged the published snapshot. `trashed` keeps the data, and nothing is
 * started from it. A failed snapshot holds no data; its row stays for a while to say why. Both are deleted at their `purgeAt`.
 */
export const SNAPSHOT_LIFECYCLE = {
  creating: { published: 'ready', fail: 'failed' },
  ready: { trash: 'trashed', delete: 'deleting' },
  trashed: { undelete: 'ready', delete: 'deleting' },
  failed: { delete: 'deleting' },
  deleting: {},
} as const satisfies { [S in SnapshotState]: { readonly [E in string]?: SnapshotState } }

/** Whether a record may go from one state to the other. It may stay as it is. */
export function mayBecome<S extends string>(
  table: { readonly [F in S]: { readonly [E in string]?: S } },
  from: S,
  to: S,
): boolean {
  return from === to || Object.values(table[from]).includes(to)
}

/** Images live as snapshots do, with `building` for `creating` and no trash. */
export const IMAGE_LIFECYCLE = {
  building: { published: 'ready', fail: 'failed' },
  ready: { delete: 'deleting' },
  failed: { delete: 'deleting' },
  deleting: {},
} as const satisfies { [S in ImageState]: { readonly [E in string]?: ImageState } }
