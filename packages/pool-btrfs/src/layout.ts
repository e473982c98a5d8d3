import { lstat, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ImageId,
  isId,
  notFound,
  type RootId,
  type RootSource,
  type SnapshotId,
  SpawnpointError,
} from '@spawnpoint/core'

type Kind = 'images' | 'roots' | 'snapshots'

const STAGED = '.staged-'

/**
 * Where things are in the pool. Every path is made here, from ids only.
 *
 *     images/ID/rootfs        read-only subvolume
 *     roots/ID                subvolume, limited by its qgroup
 *     snapshots/ID/           manifest.json, rootfs (read-only subvolume), memory/ (no checksums: see docs/decisions)
 *     …/.staged-ID            not published yet
 *     trash/                  being deleted
 *     blank/                  what is made in it has no copy-on-write; empty but for a moment
 *     commits/                of `Commits`
 *     accounts/               of `SimpleAccounts`
 */
export class Layout {
  readonly trash: string
  readonly blanks: string
  readonly commits: string
  readonly accounts: string
  readonly #path: string

  constructor(path: string) {
    this.#path = path
    this.trash = join(path, 'trash')
    this.blanks = join(path, 'blank')
    this.commits = join(path, 'commits')
    this.accounts = join(path, 'accounts')
  }

  async make(): Promise<void> {
    for (const name of ['images', 'roots', 'snapshots', 'trash', 'blank', 'commits', 'accounts']) {
      await mkdir(join(this.#path, name), { recursive: true, mode: 0o700 })
    }
  }

  published(kind: Kind, id: string): string {
    return join(this.#path, kind, checked(kind, id))
  }

  staged(kind: Kind, id: string): string {
    return join(this.#path, kind, STAGED + checked(kind, id))
  }

  /** Both paths of a thing that is to be made; rejects `runtime_failed` if it is there. */
  async fresh(step: string, kind: Kind, id: string): Promise<{ published: string; staged: string }> {
    const paths = { published: this.published(kind, id), staged: this.staged(kind, id) }
    for (const path of Object.values(paths)) if (await present(path)) throw failed(step, `${id} exists already`)
    return paths
  }

  /** Of a root that is there. */
  async root(id: RootId): Promise<string> {
    const path = this.published('roots', id)
    // A root belongs to a sandbox; users never see its own id.
    if (!(await present(path))) throw notFound('sandbox', id)
    return path
  }

  /** Of an image or a snapshot that is there: what its `rootfs` is in. */
  async source({ from, id }: RootSource): Promise<string> {
    const path = this.published(from === 'image' ? 'images' : 'snapshots', id)
    if (!(await present(join(path, 'rootfs')))) throw notFound(from, id)
    return path
  }

  /** Of a snapshot that is staged. */
  async stagedSnapshot(id: SnapshotId): Promise<string> {
    const path = this.staged('snapshots', id)
    if (!(await present(path))) throw notFound('snapshot', id)
    return path
  }

  /** Of an entry of `list().staged`. */
  stagedNamed(name: string): string {
    const [, kind, id] = /^(image|snapshot)-([0-9a-f]{24})$/.exec(name) ?? []
    if (!id) throw failed('deleteStaged', `not a staged entry: ${name.slice(0, 80)}`)
    return this.staged(kind === 'image' ? 'images' : 'snapshots', id)
  }

  /** A root is published by one call: a staged one belongs to nobody once that call's process is gone. */
  async abandonedRoots(): Promise<string[]> {
    const names = await readdir(join(this.#path, 'roots'))
    return names.filter((name) => name.startsWith(STAGED)).map((name) => join(this.#path, 'roots', name))
  }

  /** For a directory that is moved away at once. */
  blank(id: SnapshotId): string {
    return join(this.blanks, checked('snapshots', id))
  }

  async abandonedBlanks(): Promise<string[]> {
    return (await readdir(this.blanks)).map((name) => join(this.blanks, name))
  }

  async hasRoots(): Promise<boolean> {
    return (await readdir(join(this.#path, 'roots'))).length > 0
  }

  async roots(): Promise<RootId[]> {
    return (await readdir(join(this.#path, 'roots'))).filter(isId) as RootId[]
  }

  account(id: RootId): string {
    return join(this.accounts, checked('roots', id))
  }

  /** No subvolume was ever made here. */
  async unused(): Promise<boolean> {
    for (const name of ['images', 'roots', 'snapshots', 'trash', 'commits']) {
      if ((await readdir(join(this.#path, name))).length > 0) return false
    }
    return true
  }

  async list(): Promise<{ images: ImageId[]; roots: RootId[]; snapshots: SnapshotId[]; staged: string[] }> {
    const names = async (kind: Kind) => readdir(join(this.#path, kind))
    const [images, roots, snapshots] = await Promise.all([names('images'), names('roots'), names('snapshots')])
    const ids = <T extends string>(all: string[]) => all.filter(isId).sort() as T[]
    const staged = (kind: string, all: string[]) =>
      all.filter((name) => name.startsWith(STAGED)).map((name) => `${kind}-${name.slice(STAGED.length)}`)
    return {
      images: ids(images),
      roots: ids(roots),
      snapshots: ids(snapshots),
      staged: [...staged('image', images), ...staged('snapshot', snapshots)].sort(),
    }
  }
}

export function failed(step: string, detail: string): SpawnpointError<'runtime_failed'> {
  return new SpawnpointError('runtime_failed', `The pool failed at ${step}`, { step, detail })
}

export async function present(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function checked(kind: Kind, id: string): string {
  if (!isId(id)) throw failed(`path in ${kind}`, `not an id: ${id.slice(0, 80)}`)
  return id
}
