import { createHash } from 'node:crypto'
import { StringDecoder } from 'node:string_decoder'
import { isCode } from '../errors.ts'
import type { Remote, Sandbox } from '../model.ts'
import type { GuestFiles, StoredFile } from '../ports/index.ts'
import { isObjectPath } from '../services/remote-sources.ts'
import { Outgrown } from './share.ts'

/** 50,000 files and their names */
const MAX_BYTES = 48 * 2 ** 20
/** Of a path of 1,024 bytes, each of them escaped, and an ETag */
const MAX_LINE_CHARS = 16_384
const FORMAT = 1

/** A file as it was when it was the same inside and in the bucket. */
export interface BaseFile extends StoredFile {
  /** Of the file inside */
  modifiedMs: number
  /** Of the content, where the file was so new that another write could have the same time */
  sha256?: string | undefined
}

/** What was brought in or written back last, by path: what is otherwise inside was done there, and in the bucket by somebody else. */
export type Base = Map<string, BaseFile>

type Place = Pick<Remote, 'path' | 'source'>

/**
 * Beside the files, with which it has to agree: a rollback, a snapshot and a stop take both or none. Whoever spoils it inside
 * can do to the bucket what writing files there can do.
 */
export function basePath({ path }: Pick<Remote, 'path'>): string {
  return path.replace(/([^/]+)$/, '.$1.spawnpoint-base')
}

/** `null` where there is none of this sandbox and this bucket that can be read. Rejects `Outgrown` where it has more than `most` files. */
export async function readBase(
  files: GuestFiles,
  sandbox: Pick<Sandbox, 'id'>,
  remote: Place,
  most: number,
): Promise<Base | null> {
  const base: Base = new Map()
  const isOne = await scan(files, sandbox, remote, (path, file) => {
    base.set(path, file)
    if (base.size > most) throw new Outgrown()
  })
  return isOne ? base : null
}

/** Whether there is one of this sandbox and this bucket that can be read. */
export function hasBase(files: GuestFiles, sandbox: Pick<Sandbox, 'id'>, remote: Place): Promise<boolean> {
  return scan(files, sandbox, remote, () => {})
}

/** Tells of each file. False where there is no base, one that was cut off, or another sandbox's; some may have been told of then. */
async function scan(
  files: GuestFiles,
  sandbox: Pick<Sandbox, 'id'>,
  remote: Place,
  take: (path: string, file: BaseFile) => void,
): Promise<boolean> {
  const head = headOf(sandbox, remote)
  try {
    const { info, body } = await files.read(basePath(remote), { length: MAX_BYTES })
    if (info.type !== 'file') {
      body.destroy()
      return false
    }
    let isHead = true
    for await (const line of linesOf(body)) {
      if (line === null || (isHead && line !== head)) return false
      const file = isHead ? null : parsed(line)
      if (!isHead && file === null) return false
      if (file !== null) take(...file)
      isHead = false
    }
    return !isHead
  } catch (error) {
    if (isCode(error, 'guest_error')) return false
    throw error
  }
}

export async function writeBase(
  files: GuestFiles,
  sandbox: Pick<Sandbox, 'id'>,
  remote: Place,
  base: Base,
): Promise<void> {
  const path = basePath(remote)
  const half = `${path}-half`
  const remove = async () => {
    await files.remove(half, { recursive: true }).catch((error: unknown) => {
      if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT') throw error
    })
  }
  await remove()
  await files.write(half, pieces(headOf(sandbox, remote), base), { mode: 0o600, exclusive: true, owner: 'root' })
  await files.move(half, path)
}

/** Digest of all there is, as readers of buckets make it of listings. */
export function versionOf(base: ReadonlyMap<string, StoredFile>): string {
  const hash = createHash('sha256')
  const sorted = [...base].sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [path, { sizeBytes, etag }] of sorted) hash.update(`${JSON.stringify([path, sizeBytes, etag])}\n`)
  return hash.digest('hex')
}

function headOf({ id }: Pick<Sandbox, 'id'>, { path, source }: Place): string {
  const of = createHash('sha256')
    .update(JSON.stringify([id, path, source]))
    .digest('hex')
  return JSON.stringify({ spawnpoint: 'base', format: FORMAT, of })
}

function parsed(line: string): [string, BaseFile] | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null // the guest can write what it likes there
  }
  if (!Array.isArray(value)) return null
  const [path, sizeBytes, modifiedMs, etag, sha256]: unknown[] = value
  // A path that leads up would lead out of the bucket's directory.
  if (typeof path !== 'string' || !isObjectPath(path) || typeof etag !== 'string' || etag.length > 256 || etag === '')
    return null
  if (!Number.isSafeInteger(sizeBytes) || !Number.isSafeInteger(modifiedMs)) return null
  if (sha256 !== undefined && typeof sha256 !== 'string') return null
  return [path, { sizeBytes: sizeBytes as number, modifiedMs: modifiedMs as number, etag, sha256 }]
}

/** As they come: it is never in memory as a whole. `null` at the end of one that does not end in a line, or has an endless one. */
async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string | null> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const piece of body) {
    const lines = (rest + decoder.write(Buffer.from(piece))).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length > MAX_LINE_CHARS) break
  }
  if (rest + decoder.end() !== '') yield null
}

async function* pieces(head: string, base: Base): AsyncGenerator<Uint8Array> {
  let text = `${head}\n`
  for (const [name, { sizeBytes, modifiedMs, etag, sha256 }] of base) {
    text += `${JSON.stringify([name, sizeBytes, modifiedMs, etag, ...(sha256 === undefined ? [] : [sha256])])}\n`
    if (text.length < 65_536) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
}
