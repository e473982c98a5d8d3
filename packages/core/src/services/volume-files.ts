import type { Readable } from 'node:stream'
import type { NewVolumeFile, Principal, VolumeFilesApi } from '../api.ts'
import { invalidArgument, isCode, notFound } from '../errors.ts'
import type { RootId } from '../ids.ts'
import type { Parts } from '../parts.ts'
import type { NewFile, Page, RootFiles, TreeFile } from '../ports/index.ts'
import { volumeRoot } from '../volume-root.ts'
import { checkWhole } from './browse.ts'
import { findVolume } from './volumes.ts'

const OWNER = 1000
const MODES = { file: 0o666, directory: 0o777 }
const MAX_ID = 2 ** 32 - 2
const MAX_DEPTH = 64
const MAX_LISTED = 10_000

export class VolumeFiles implements VolumeFilesApi {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  stat(by: Principal, volume: string, path: string, signal?: AbortSignal): Promise<TreeFile> {
    return this.#in(by, volume, (files, root) => files.stat(root, path, { signal }))
  }

  async list(
    by: Principal,
    volume: string,
    path: string,
    request: Parameters<VolumeFilesApi['list']>[3] = {},
    signal?: AbortSignal,
  ): Promise<Page<TreeFile>> {
    const { depth = 1, limit = 1_000, after } = request
    checkWhole('depth', depth, 1, MAX_DEPTH)
    checkWhole('limit', limit, 1, MAX_LISTED)
    const options = { depth, limit, after, signal }
    const { entries, next } = await this.#in(by, volume, (files, root) => files.list(root, path, options))
    return { items: entries, next }
  }

  async read(
    by: Principal,
    volume: string,
    path: string,
    options: Parameters<VolumeFilesApi['read']>[3] = {},
  ): Promise<{ info: TreeFile; body: Readable }> {
    for (const name of ['offset', 'length'] as const) checkWhole(name, options[name] ?? 0, 0, Number.MAX_SAFE_INTEGER)
    return this.#in(by, volume, (files, root) => files.read(root, path, options))
  }

  async write(
    by: Principal,
    volume: string,
    path: string,
    content: AsyncIterable<Uint8Array>,
    { exclusive = false, signal, ...asked }: Parameters<VolumeFilesApi['write']>[4] = {},
  ): Promise<TreeFile> {
    const options = { ...newFile(asked, MODES.file), exclusive, signal }
    return this.#in(by, volume, (files, root) => files.write(root, path, content, options))
  }

  async makeDir(by: Principal, volume: string, path: string, asked: NewVolumeFile = {}): Promise<TreeFile> {
    const options = newFile(asked, MODES.directory)
    return this.#in(by, volume, (files, root) => files.makeDir(root, path, options))
  }

  async change(
    by: Principal,
    volume: string,
    path: string,
    change: Parameters<VolumeFilesApi['change']>[3],
  ): Promise<TreeFile> {
    const { uid, gid, mode } = change
    checkNumbers({ uid: uid ?? 0, gid: gid ?? 0, mode: mode ?? 0 })
    return this.#in(by, volume, (files, root) => files.change(root, path, { uid, gid, mode }))
  }

  remove(by: Principal, volume: string, path: string): Promise<void> {
    return this.#in(by, volume, (files, root) => files.remove(root, path))
  }

  async #in<T>(by: Principal, ref: string, work: (files: RootFiles, root: RootId) => Promise<T>): Promise<T> {
    const { id } = await findVolume(this.#parts.ledger.read, by.teamId, ref)
    try {
      return await work(this.#parts.pool.files, volumeRoot(id))
    } catch (error) {
      // It was deleted meanwhile; the pool knows roots by those who have them most often.
      throw isCode(error, 'not_found') ? notFound('volume', ref) : error
    }
  }
}

function newFile({ uid = OWNER, gid = OWNER, mode, parents = false }: NewVolumeFile, usual: number): NewFile {
  const given = { uid, gid, mode: mode ?? usual }
  checkNumbers(given)
  return { ...given, parents }
}

function checkNumbers({ uid, gid, mode }: { uid: number; gid: number; mode: number }): void {
  checkWhole('uid', uid, 0, MAX_ID)
  checkWhole('gid', gid, 0, MAX_ID)
  if (!Number.isSafeInteger(mode) || mode < 0 || mode > 0o7777)
    throw invalidArgument('mode', 'permission bits, 0 to 0o7777')
}
