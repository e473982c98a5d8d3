import type { NamesApi, Principal, TagTarget } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import { type ImageId, type NameId, newId, type SnapshotId } from '../ids.ts'
import type { Name, Tag, TeamId } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { LedgerTx } from '../ports/index.ts'
import { mustBeReady } from './new-sandbox.ts'
import { checkName, checkTag, findImage, findName, findSnapshot } from './refs.ts'

/** Most tags one request may name. */
export const MAX_TAGS = 64

export class Names implements NamesApi {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get: NamesApi['get'] = (by, ref) => findName(this.#parts.ledger.read, by.teamId, ref)

  async ensure(by: Principal, name: string): Promise<Name> {
    checkName('name', name)
    return this.#parts.ledger.transact((tx) => tx.ensureName(newName(this.#parts, by.teamId, name)))
  }

  list: NamesApi['list'] = (by, page) => this.#parts.ledger.read.names(by.teamId, page)

  async delete(by: Principal, ref: string): Promise<void> {
    const { id } = await this.get(by, ref)
    await this.#parts.ledger.transact((tx) => tx.deleteName(id))
  }

  async tags(by: Principal, ref: string): Promise<Tag[]> {
    const { id } = await this.get(by, ref)
    return this.#parts.ledger.read.tags({ nameId: id })
  }

  async tag(by: Principal, ref: string, tags: string[], target: TagTarget): Promise<Tag[]> {
    checkTags('tags', tags)
    const { read } = this.#parts.ledger
    const name = await this.get(by, ref)
    const image = 'imageId' in target ? await findImage(read, by.teamId, target.imageId) : null
    const snapshot = 'snapshotId' in target ? await findSnapshot(read, by.teamId, target.snapshotId) : null
    return this.#parts.ledger.transact(async (tx) => {
      await mustBeReady(tx, image, snapshot)
      return setTags(this.#parts, tx, name, tags, target)
    })
  }

  async untag(by: Principal, ref: string, tags: string[]): Promise<void> {
    checkTags('tags', tags)
    const { id } = await this.get(by, ref)
    await this.#parts.ledger.transact(async (tx) => {
      for (const tag of tags) await tx.deleteTag(id, tag)
    })
  }

  async tagsOf(by: Principal, ids: readonly (ImageId | SnapshotId)[]): Promise<{ name: Name; tag: Tag }[]> {
    if (ids.length === 0) return []
    const { read } = this.#parts.ledger
    const names = new Map<NameId, Name | null>()
    const found: { name: Name; tag: Tag }[] = []
    for (const tag of await read.tags({ targets: ids })) {
      const name = names.get(tag.nameId) ?? (await read.nameById(tag.nameId))
      names.set(tag.nameId, name)
      if (name?.teamId === by.teamId) found.push({ name, tag })
    }
    return found
  }
}

export function checkTags(path: string, tags: string[]): void {
  if (tags.length > MAX_TAGS) throw invalidArgument(path, `at most ${MAX_TAGS}`)
  for (const [index, tag] of tags.entries()) checkTag(`${path}.${index}`, tag)
}

/**
 * Points tags of a name to what has just become ready, making the name if it is not there (any more). Belongs into the
 * transaction that makes the target ready, or locks it.
 */
export async function setTags(
  parts: Parts,
  tx: LedgerTx,
  name: Pick<Name, 'teamId' | 'name'>,
  tags: readonly string[],
  target: TagTarget,
): Promise<Tag[]> {
  if (tags.length === 0) return []
  const { id } = await tx.ensureName(newName(parts, name.teamId, name.name))
  const made = [...new Set(tags)].map(
    (tag): Tag => ({ nameId: id, tag, imageId: null, snapshotId: null, ...target, createdAt: parts.clock.now() }),
  )
  for (const tag of made) await tx.putTag(tag)
  return made
}

function newName(parts: Parts, teamId: TeamId, name: string): Name {
  return { id: newId<NameId>(), teamId, name, createdAt: parts.clock.now() }
}
