import type { Comparable, CompareApi, CompareRequest, Principal } from '../api.ts'
import { compareText, TEXT_BYTES } from '../compare/text.ts'
import { compareCensus } from '../compare/what-ran.ts'
import { invalidArgument, isCode, notFound, SpawnpointError } from '../errors.ts'
import type { Guests } from '../guests.ts'
import type { Census, ComparedFile, ComparedSide, Comparison, Sandbox, TextComparison } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { FileInfo, TreeSource } from '../ports/index.ts'
import { censusOf, checkWhole, readable } from './browse.ts'
import { findSandbox } from './refs.ts'

const TIMEOUT_MS = 60_000
const MAX_CHANGES = 10_000
/** What a sandbox may take to say what runs in it and to write out its files. */
const GUEST_MS = 10_000

interface Side {
  told: ComparedSide
  source: TreeSource
  census: Census | null
}

export class Compare implements CompareApi {
  readonly #parts: Parts
  readonly #guests: Guests

  constructor(parts: Parts, guests: Guests) {
    this.#parts = parts
    this.#guests = guests
  }

  async compare(
    by: Principal,
    before: Comparable,
    after: Comparable,
    request: CompareRequest = {},
    signal?: AbortSignal,
  ): Promise<Comparison> {
    const { path = '/', limit = 1_000 } = request
    checkWhole('limit', limit, 1, MAX_CHANGES)
    const [old, young] = [await this.#side(by, before), await this.#side(by, after)]
    const bounds = { path, limit, timeoutMs: TIMEOUT_MS, signal }
    const files = await this.#parts.pool.trees.compare(old.source, young.source, bounds)
    return { before: old.told, after: young.told, files, ...compareCensus(old.census, young.census) }
  }

  async compareText(
    by: Principal,
    before: Comparable,
    after: Comparable,
    path: string,
    signal?: AbortSignal,
  ): Promise<TextComparison> {
    const sides = [await this.#side(by, before), await this.#side(by, after)] as const
    const [old, young] = [await this.#text(sides[0], path, signal), await this.#text(sides[1], path, signal)]
    if (old.info === null && young.info === null) throw notFound('file', path)
    const told = { path, before: comparedOf(old.info), after: comparedOf(young.info) }
    const unread = [old, young].find(({ outcome }) => outcome !== null)?.outcome
    if (unread != null) return { ...told, outcome: unread, unified: null }
    return { ...told, ...(await compareText(path, old.data, young.data)) }
  }

  async #side(by: Principal, which: Comparable): Promise<Side> {
    if ('snapshot' in which) {
      const snapshot = await readable(this.#parts, by, which.snapshot, 'compare')
      return {
        told: { snapshotId: snapshot.id, sandboxId: null, at: snapshot.createdAt },
        source: { from: 'snapshot', id: snapshot.id },
        census: await censusOf(this.#parts, snapshot),
      }
    }
    const sandbox = await findSandbox(this.#parts.ledger.read, by.teamId, which.sandbox)
    const { id, rootId, pausedSnapshotId } = sandbox
    const census = await this.#census(sandbox)
    const told = { snapshotId: null, sandboxId: id, at: this.#parts.clock.now() }
    // What is paused has no root: its files are where it resumes from.
    if (rootId !== null) return { told, source: { from: 'root', id: rootId }, census }
    if (pausedSnapshotId !== null) return { told, source: { from: 'snapshot', id: pausedSnapshotId }, census }
    throw new SpawnpointError('wrong_state', `The sandbox is ${sandbox.state}: it has no files`, {
      ...{ resource: 'sandbox', id, state: sandbox.state, request: 'compare' },
    })
  }

  /** What is paused tells what ran when it was; in what is stopped or failed nothing runs. */
  async #census(sandbox: Sandbox): Promise<Census | null> {
    const { state, pausedSnapshotId } = sandbox
    if (state === 'paused' && pausedSnapshotId !== null) return censusOf(this.#parts, { id: pausedSnapshotId })
    if (state === 'stopped' || state === 'failed')
      return { at: sandbox.haltedAt ?? this.#parts.clock.now(), processes: [], ports: [], truncated: false }
    return this.#now(sandbox)
  }

  /** Has a running sandbox write out what it holds of its files, and say what runs. One that cannot is compared all the same. */
  async #now(sandbox: Sandbox): Promise<Census | null> {
    if (sandbox.state !== 'running' && sandbox.state !== 'snapshotting') return null
    const late = Promise.withResolvers<null>()
    using _ = this.#parts.clock.after(GUEST_MS, () => late.resolve(null))
    const asked = this.#guests.of(sandbox).then((guest) => guest.census({ sync: true }))
    return Promise.race([asked, late.promise]).catch((error: unknown) => {
      // It may have ended since its record was read; what its agent does wrong is told where it matters.
      this.#parts.log.debug({ err: error, sandbox: sandbox.id }, 'a sandbox did not say what runs in it')
      return null
    })
  }

  async #text({ source }: Side, path: string, signal: AbortSignal | undefined) {
    const { trees } = this.#parts.pool
    const nothing = { data: null, outcome: null }
    const info = await trees.stat(source, path, { signal }).catch(absent)
    if (info === null) return { info, ...nothing }
    if (info.type !== 'file') return { info, data: null, outcome: 'not_a_file' as const }
    if (info.sizeBytes > TEXT_BYTES) return { info, data: null, outcome: 'too_large' as const }
    const { body } = await trees.read(source, path, { length: TEXT_BYTES, signal })
    return { info, data: Buffer.concat(await body.toArray()), outcome: null }
  }
}

function absent(error: unknown): null {
  if (isCode(error, 'guest_error') && ['ENOENT', 'ENOTDIR'].includes(error.context.errno)) return null
  if (isCode(error, 'guest_error')) throw invalidArgument('path', error.message)
  throw error
}

function comparedOf(info: FileInfo | null): ComparedFile | null {
  if (info === null) return null
  const { type, sizeBytes, mode, uid, gid, modifiedAt, symlinkTarget } = info
  return { type, sizeBytes, mode, uid, gid, modifiedAt, symlinkTarget }
}
