import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import type { BrowseApi, BrowseListRequest, BrowseSearchRequest, CopyRequest, Principal } from '../api.ts'
import { invalidArgument, isCode, SpawnpointError } from '../errors.ts'
import type { Census, Snapshot } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { FileInfo, Page, TreeSearchResult, TreeSource } from '../ports/index.ts'
import { censusIn } from '../snapshot/census.ts'
import { findTrashedToo } from './refs.ts'
import type { Sandboxes } from './sandboxes.ts'

const MAX_DEPTH = 64
const MAX_LISTED = 10_000
const MAX_CURSOR_CHARS = 64 * 1024
const SEARCH = { timeoutMs: 10_000, readBytes: 2 * 2 ** 30 }
const MAX_MATCHES = 1_000
const MAX_NAME_CHARS = 255
const MAX_CONTENT_CHARS = 1_024

export class Browse implements BrowseApi {
  readonly #parts: Parts
  readonly #sandboxes: Sandboxes

  constructor(parts: Parts, sandboxes: Sandboxes) {
    this.#parts = parts
    this.#sandboxes = sandboxes
  }

  async stat(by: Principal, snapshot: string, path: string, signal?: AbortSignal): Promise<FileInfo> {
    return this.#trees.stat(await this.#source(by, snapshot), path, { signal })
  }

  async list(
    by: Principal,
    snapshot: string,
    path: string,
    request: BrowseListRequest = {},
    signal?: AbortSignal,
  ): Promise<Page<FileInfo>> {
    const { depth = 1, limit = 1_000, after } = request
    checkWhole('depth', depth, 1, MAX_DEPTH)
    checkWhole('limit', limit, 1, MAX_LISTED)
    if (after !== undefined && after.length > MAX_CURSOR_CHARS) throw invalidArgument('cursor', 'not a cursor')
    const source = await this.#source(by, snapshot)
    const { entries, next } = await this.#trees.list(source, path, { depth, limit, after, signal })
    return { items: entries, next }
  }

  async read(
    by: Principal,
    snapshot: string,
    path: string,
    options: { offset?: number | undefined; length?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<{ info: FileInfo; body: Readable }> {
    for (const name of ['offset', 'length'] as const) checkWhole(name, options[name] ?? 0, 0, Number.MAX_SAFE_INTEGER)
    return this.#trees.read(await this.#source(by, snapshot), path, options)
  }

  async pack(by: Principal, snapshot: string, path: string, signal?: AbortSignal): Promise<Readable> {
    return this.#trees.pack(await this.#source(by, snapshot), path, { name: packedName(path), signal })
  }

  async search(
    by: Principal,
    snapshot: string,
    request: BrowseSearchRequest,
    signal?: AbortSignal,
  ): Promise<TreeSearchResult> {
    const { path = '/', name = '', content = '', limit = 100 } = request
    const source = await this.#source(by, snapshot)
    if (name === '' && content === '') throw invalidArgument('name', 'give a name, a content or both')
    if (name.length > MAX_NAME_CHARS) throw invalidArgument('name', `at most ${MAX_NAME_CHARS} characters`)
    if (content.length > MAX_CONTENT_CHARS) throw invalidArgument('content', `at most ${MAX_CONTENT_CHARS} characters`)
    checkWhole('limit', limit, 1, MAX_MATCHES)
    return this.#trees.search(source, { path, name, content, limit, ...SEARCH }, { signal })
  }

  async census(by: Principal, snapshot: string): Promise<Census | null> {
    return censusOf(this.#parts, await readable(this.#parts, by, snapshot, 'browse'))
  }

  async copyInto(
    by: Principal,
    sandbox: string,
    request: CopyRequest,
    signal?: AbortSignal,
  ): Promise<{ entries: number; bytes: number }> {
    const { path, destination, owner } = request
    const source = await this.#source(by, request.snapshot)
    const { guest, sandbox: target } = await this.#sandboxes.guest(by, sandbox)
    using _ = await this.#sandboxes.keepActive(by, target.id)
    const name = packedName(path)
    const archive = await this.#trees.pack(source, path, { name, signal })
    try {
      return await guest.files.unpack(archive, {
        source: literally(name),
        destination,
        ...(owner === undefined ? { owner: target.defaults.user, keepOwners: true } : { owner }),
      })
    } catch (error) {
      // Of what reads the snapshot and what writes the sandbox, the one that failed first has the reason.
      throw archive.errored instanceof SpawnpointError && !isCode(archive.errored, 'cancelled')
        ? archive.errored
        : error
    } finally {
      archive.destroy()
    }
  }

  get #trees() {
    return this.#parts.pool.trees
  }

  async #source(by: Principal, ref: string): Promise<TreeSource> {
    return { from: 'snapshot', id: (await readable(this.#parts, by, ref, 'browse')).id }
  }
}

/** A snapshot whose files are there, in the trash or not. */
export async function readable(parts: Parts, by: Principal, ref: string, request: string): Promise<Snapshot> {
  const snapshot = await findTrashedToo(parts.ledger.read, by.teamId, ref)
  if (snapshot.state === 'ready' || snapshot.state === 'trashed') return snapshot
  throw new SpawnpointError('wrong_state', `The snapshot is ${snapshot.state}: there is nothing to read`, {
    ...{ resource: 'snapshot', id: snapshot.id, state: snapshot.state, request },
  })
}

export async function censusOf(parts: Parts, snapshot: Pick<Snapshot, 'id'>): Promise<Census | null> {
  return censusIn(await parts.pool.readManifest(snapshot.id))
}

export function checkWhole(path: string, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw invalidArgument(path, `a whole number from ${min} to ${max}`)
}

/** What an archive of this path calls it: its own name, if it has one that an archive may have. */
function packedName(path: string): string {
  const name = posix.basename(posix.normalize(path))
  return name === '' || name === '.' || name === '..' ? 'root' : name
}

/** A name as `UnpackRequest.source`, where some characters mean more than themselves. */
function literally(name: string): string {
  return name.replaceAll(/[\\*?[]/g, '\\$&')
}
