import { dirname } from 'node:path/posix'
import { isCode, SpawnpointError } from '../errors.ts'
import type { FairTurn } from '../fair-turns.ts'
import type { BucketSource, Remote, RemoteWrites, Sandbox } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { BucketWriter, GuestFiles, OpenBucket, StoredFile } from '../ports/index.ts'
import { isWriter, rulesFor } from '../services/remotes.ts'
import { type Base, readBase, versionOf, writeBase } from './base.ts'
import { addConflict, isSame, type KnownExchange, shownConflicts } from './conflicts.ts'
import { digestInside, listInside, Moved, openInside, stampOf, statOf } from './inside.ts'
import { type Inside, type InsideFile, isAsKnown, planOf } from './plan.ts'
import { Outgrown, SHARES, sharesFor, weightOf } from './share.ts'

/** A file that was written so recently may be written again in the same millisecond, or be half of what is to come. */
const SETTLED_MS = 2_000
/** Files under way at a time */
const AT_ONCE = 8
/** Files after which it is noted what has been done */
const NOTED_EVERY = 256
/** Files that a store may refuse before no more are tried */
const MAX_REFUSED = 20

export interface ExchangeRequest {
  /** Look at the bucket even if nothing was changed inside */
  look: boolean
  /** Write also what was changed only just now: it may be the last time */
  last: boolean
  /** What is known of the last one; kept up to date */
  known: KnownExchange
}

export interface Exchanged {
  version: string
  writes: RemoteWrites
}

/**
 * Makes a bucket and the files inside the same: what was written, changed or removed inside is so in the bucket, unless somebody else has
 * changed it there, and with `look` the other way round. Cut off anywhere it is done again: what is there already is recognized by its
 * content. Rejects where that did not come to its end; what was done by then is noted. Waits for its share of the server's memory.
 */
export async function exchange(
  parts: Parts,
  sandbox: Sandbox,
  files: GuestFiles,
  remote: Remote,
  request: ExchangeRequest,
  signal: AbortSignal,
): Promise<Exchanged> {
  const writer = parts.remotes?.find(({ type }) => type === remote.source.type)
  const { source } = remote
  if (writer === undefined || !isWriter(writer) || source.type === 'git')
    throw new Error(`nobody writes remotes of ${remote.source.type}`)
  const both = AbortSignal.any([parts.closing, signal])
  const shares = sharesFor(request.known.files)
  for (const most of shares) {
    using share = await SHARES.take(sandbox.teamId, both, weightOf(most))
    try {
      const base = await readBase(files, sandbox, remote, most)
      const given = { parts, sandbox, files, remote, source, request, writer, most, share, signal: both }
      return await new Exchange(given, base ?? new Map()).run(base === null)
    } catch (error) {
      // Now with as much as there may be.
      if (!(error instanceof Outgrown) || most === shares.at(-1)) throw error
    }
  }
  throw new Error('the largest share was outgrown')
}

interface Given {
  parts: Parts
  sandbox: Sandbox
  files: GuestFiles
  remote: Remote
  source: BucketSource
  request: ExchangeRequest
  writer: BucketWriter
  /** Files that `share` is for */
  most: number
  share: FairTurn
  signal: AbortSignal
}

class Exchange {
  readonly #given: Given
  readonly #base: Base
  /** Files that no object can be */
  #unwritable = 0
  /** What the base has that is noted inside */
  #noted = true
  /** Why the first of those was not taken */
  #failure: string | null = null
  #refused = 0

  constructor(given: Given, base: Base) {
    this.#given = given
    this.#base = base
  }

  async run(isFirst: boolean): Promise<Exchanged> {
    const { parts, sandbox, files, remote, source, request, writer, most, signal } = this.#given
    const { inside, entries, unwritable } = await listInside(files, remote.path, source.prefix, most)
    this.#unwritable = unwritable
    this.#noted = !isFirst
    try {
      await this.#settle(inside)
      const isLooked = request.look || isFirst
      if (!isLooked) this.#found(entries, this.#base.size)
      if (isLooked || this.#isChanged(inside)) {
        const credentials = await rulesFor(parts, sandbox, remote)
        const ask = { source, team: sandbox.teamId, credentials, maxBytes: sandbox.resources.diskBytes }
        await writer.open(ask, (bucket) => this.#exchange(bucket, inside, entries, isLooked), signal)
      }
    } catch (error) {
      // What is not noted is found to be there by the next look.
      if (!(error instanceof Outgrown)) await this.#note().catch(() => {})
      throw error
    }
    await this.#note()
    const conflicts = shownConflicts(request.known.conflicts)
    return {
      version: versionOf(this.#base),
      writes: { failure: this.#failure, conflicts, unwritable: this.#unwritable },
    }
  }

  /** What there is to compare is known now: the share is for no more than that. */
  #found(...counts: number[]): void {
    const files = Math.max(...counts)
    const { most, share, request } = this.#given
    if (files > most) throw new Outgrown()
    request.known.files = files
    share.weigh(weightOf(files))
  }

  /** Files that were too new to be told from a later write by their time are by now, or have been written again. */
  async #settle(inside: Inside): Promise<void> {
    for (const [path, known] of this.#base) {
      if (known.sha256 === undefined || this.#isNew(known)) continue
      const here = inside.get(path)
      if (here !== undefined && isAsKnown(known, here)) {
        const sha256 = await this.#unlessMoved(() =>
          digestInside(this.#given.files, this.#at(path), this.#given.signal),
        )
        const { sha256: _, ...settled } = known
        // A time that no file has: it is another.
        this.#base.set(path, sha256 === known.sha256 ? settled : { ...settled, modifiedMs: -1 })
        this.#noted = false
      }
    }
  }

  #isChanged(inside: Inside): boolean {
    const { write, remove, forget } = this.#planned(inside, null)
    return write.size + remove.size + forget.length > 0
  }

  /** Without what has to wait, and what is known to be in conflict. */
  #planned(inside: Inside, bucket: Map<string, StoredFile> | null) {
    const plan = planOf(this.#base, inside, bucket)
    const { known, last } = this.#given.request
    const waits = (path: string) => {
      const here = inside.get(path)
      if (here === undefined) return false
      const conflict = known.conflicts.get(path)
      const there = bucket === null ? null : bucket.get(path)?.etag
      if (conflict !== undefined && isSame(conflict, here, there)) return true
      return !last && this.#isNew(here)
    }
    for (const path of [...plan.write.keys()]) if (waits(path)) plan.write.delete(path)
    return { ...plan, compare: plan.compare.filter((path) => !waits(path)) }
  }

  async #exchange(bucket: OpenBucket, inside: Inside, entries: number, isLooked: boolean): Promise<void> {
    const { conflicts } = this.#given.request.known
    const listing = isLooked ? await bucket.list() : null
    if (listing !== null) this.#found(entries, this.#base.size, listing.size)
    const plan = this.#planned(inside, listing)
    for (const path of conflicts.keys()) {
      const isOver = !inside.has(path) || isAsKnown(this.#base.get(path), inside.get(path) as InsideFile)
      if (isOver || (listing !== null && !listing.has(path))) conflicts.delete(path)
    }
    for (const path of plan.forget) this.#forget(path)
    await this.#each([...plan.write], ([path, replaces]) => this.#write(bucket, path, replaces))
    await this.#each(plan.compare, (path) => this.#compare(bucket, path, listing?.get(path)))
    // Last, so that what was moved is never in neither place.
    await this.#each([...plan.remove], ([path, etag]) => this.#remove(bucket, path, etag))
    await this.#each(plan.drop, (path) => this.#drop(path))
    if (listing !== null) await this.#bring(bucket, plan.bring, listing, inside)
  }

  // ---------------------------------------------------------------- into the bucket

  async #write(bucket: OpenBucket, path: string, replaces: string | null): Promise<void> {
    const { files, writer, signal } = this.#given
    const file = await openInside(files, this.#at(path), signal)
    try {
      const { sizeBytes } = file.stamp
      if (sizeBytes > writer.maxFileBytes) {
        this.#unwritable += 1
        return
      }
      const written = await bucket.write(path, { sizeBytes, open: file.open }, replaces)
      if (written !== null) return this.#know(path, file.stamp, written, file.sha256())
    } finally {
      file.close()
    }
    await this.#compare(bucket, path, undefined, replaces !== null)
  }

  /** Something else is there than was known: it may be what is here, written by a server that did not live to note it. */
  async #compare(bucket: OpenBucket, path: string, listed: StoredFile | undefined, mayWrite = true): Promise<void> {
    const { files, signal } = this.#given
    const info = await statOf(files, this.#at(path))
    if (info === null) throw new Moved()
    const stamp = stampOf(info)
    if (listed !== undefined && listed.sizeBytes !== stamp.sizeBytes) {
      addConflict(this.#given.request.known, path, stamp, listed.etag)
      return
    }
    const there = await bucket.digest(path)
    if (there === null) {
      // Nobody has it any more. If it comes and goes, the next look writes it.
      this.#forget(path)
      if (mayWrite) await this.#write(bucket, path, null)
      return
    }
    const here = there.sizeBytes === stamp.sizeBytes ? await digestInside(files, this.#at(path), signal) : null
    if (here === there.sha256) this.#know(path, stamp, there, here)
    else addConflict(this.#given.request.known, path, stamp, there.etag)
  }

  async #remove(bucket: OpenBucket, path: string, etag: string): Promise<void> {
    // Not in a listing is not gone: a directory that could not be read has nothing in it.
    const info = await statOf(this.#given.files, this.#at(path))
    if (info !== null && info.type !== 'directory') return
    await bucket.remove(path, etag)
    // What somebody else has made of it is brought by the next look.
    this.#forget(path)
  }

  // ---------------------------------------------------------------- into the sandbox

  async #drop(path: string): Promise<void> {
    if (await this.#isAsKnown(path)) await this.#given.files.remove(this.#at(path))
    this.#forget(path)
  }

  async #bring(
    bucket: OpenBucket,
    paths: readonly string[],
    listing: Map<string, StoredFile>,
    inside: Inside,
  ): Promise<void> {
    const { files, remote, source, sandbox, signal } = this.#given
    const total = listing.values().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    if (total > sandbox.resources.diskBytes)
      throw new SpawnpointError('payload_too_large', `The bucket has more than ${sandbox.resources.diskBytes} bytes`, {
        limitBytes: sandbox.resources.diskBytes,
      })
    const owner = sandbox.defaults.user
    const aside = remote.path.replace(/([^/]+)$/, '.$1.spawnpoint')
    for (let at = 0; at < paths.length; at += NOTED_EVERY * 4) {
      const batch = paths.slice(at, at + NOTED_EVERY * 4)
      await files.remove(aside, { recursive: true }).catch(ignoreMissing)
      await files.mkdir(aside, { parents: true, owner })
      const archive = bucket.fetch(batch, listing)
      // An archive with nothing in it: all have gone meanwhile.
      await files.unpack(archive, { source: '.', destination: `${aside}/`, owner }).catch(ignoreMissing)
      signal.throwIfAborted()
      const come = await listInside(files, aside, source.prefix)
      const directories = new Set(batch.map((path) => dirname(this.#at(path))))
      const obstructed = new Set<string>()
      for (const directory of directories)
        await files.mkdir(directory, { parents: true, owner }).catch((error: unknown) => {
          // A file that somebody has made inside is where a directory is there.
          if (!isCode(error, 'guest_error')) throw error
          obstructed.add(directory)
        })
      await this.#each(batch, async (path) => {
        const stamp = come.inside.get(path)
        const stored = listing.get(path)
        if (stamp === undefined || stored === undefined) return
        const before = inside.get(path)
        const now = await statOf(files, this.#at(path))
        if (obstructed.has(dirname(this.#at(path))) || (now !== null && now.type !== 'file')) {
          addConflict(this.#given.request.known, path, stamp, stored.etag)
          return
        }
        // What was changed since the look is for the next one.
        if (now !== null && (before === undefined || !isAsKnown(before, stampOf(now)))) return
        // Where a store says no older time, it could be written in the same millisecond.
        const sha256 = this.#isNew(stamp) ? await digestInside(files, `${aside}/${path}`, signal) : undefined
        await files.move(`${aside}/${path}`, this.#at(path))
        this.#know(path, stamp, stored, sha256)
      })
    }
    if (paths.length > 0) await files.remove(aside, { recursive: true }).catch(ignoreMissing)
  }

  // ---------------------------------------------------------------- what is known

  #know(path: string, stamp: InsideFile, { etag }: StoredFile, sha256: string | undefined): void {
    const isOld = sha256 === undefined || !this.#isNew(stamp)
    this.#base.set(path, { ...stamp, etag, ...(isOld ? {} : { sha256 }) })
    this.#given.request.known.conflicts.delete(path)
    this.#noted = false
  }

  #forget(path: string): void {
    this.#base.delete(path)
    this.#noted = false
  }

  async #note(): Promise<void> {
    if (this.#noted) return
    const { files, sandbox, remote } = this.#given
    await writeBase(files, sandbox, remote, this.#base)
    this.#noted = true
  }

  async #isAsKnown(path: string): Promise<boolean> {
    const info = await statOf(this.#given.files, this.#at(path))
    return info?.type === 'file' && isAsKnown(this.#base.get(path), stampOf(info))
  }

  #isNew({ modifiedMs }: InsideFile): boolean {
    return Math.abs(this.#given.parts.clock.now().getTime() - modifiedMs) < SETTLED_MS
  }

  #at(path: string): string {
    return `${this.#given.remote.path}/${path}`
  }

  /** Some at a time; what moves under its hands is left to the next look. The first error that is of more than one file ends it. */
  async #each<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
    for (let from = 0; from < all.length; from += NOTED_EVERY) {
      const rest = all.slice(from, from + NOTED_EVERY).values()
      const failed: unknown[] = []
      const worker = async () => {
        for (const one of rest) {
          if (failed.length > 0) return
          this.#given.signal.throwIfAborted()
          await this.#unlessMoved(() => work(one))
        }
      }
      const workers = Array.from({ length: AT_ONCE }, () => worker().catch((error: unknown) => failed.push(error)))
      await Promise.all(workers)
      if (failed.length > 0) throw failed[0]
      await this.#note()
    }
  }

  async #unlessMoved<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof Moved || (error instanceof SpawnpointError && error.cause instanceof Moved)) return null
      // Of one file: it has gone, or is something else.
      if (isCode(error, 'guest_error')) return null
      // The store does not take this one; it may take others.
      if (isCode(error, 'runtime_failed') && this.#refused < MAX_REFUSED) {
        this.#refused += 1
        this.#failure ??= error.message
        return null
      }
      throw error
    }
  }
}

function ignoreMissing(error: unknown): void {
  // Then it is as it should be.
  if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT') throw error
}
