import { Readable } from 'node:stream'
import type {
  FileAccess,
  FileDetails,
  FileEvent,
  FileInfo,
  GuestFiles,
  ListOptions,
  UnpackRequest,
  WriteOptions,
} from '@spawnpoint/core'
import { SpawnpointError } from '@spawnpoint/core'
import type { Channel, Piece } from './channel.ts'
import { checkFile, checkFileBatch, checkFileEvent, checkUnpacked, checkXattr } from './checks.ts'
import { MAX_PAYLOAD_BYTES, ProtocolViolation } from './frames.ts'
import { type Checked, pieces } from './pieces.ts'
import { itemReader, listOf } from './processes.ts'
import type { Session } from './session.ts'

export class Files implements GuestFiles {
  readonly #session: Session
  readonly #checked: Checked
  readonly #knowsOwner: boolean
  readonly #knowsDetails: boolean
  readonly #keepsOwners: boolean

  constructor(session: Session, checked: Checked, capabilities: readonly string[]) {
    this.#session = session
    this.#checked = checked
    this.#knowsOwner = capabilities.includes('owner')
    this.#knowsDetails = capabilities.includes('details')
    this.#keepsOwners = capabilities.includes('keepOwners')
  }

  /** As the agent takes it; one that knows no owners acts as that user. */
  #as({ user, owner }: FileAccess): FileAccess {
    if (user !== undefined) return { user }
    if (owner === undefined) return {}
    return this.#knowsOwner ? { owner } : { user: owner }
  }

  async #file(method: string, params: object): Promise<FileInfo> {
    return this.#checked(await this.#session.call(method, params), checkFile)
  }

  stat(path: string, options: FileAccess & FileDetails = {}): Promise<FileInfo> {
    return this.#file('file.stat', { path, ...this.#as(options), ...detailsOf(options) })
  }

  async list(
    path: string,
    options: { depth: number; limit: number } & ListOptions & FileAccess & FileDetails,
  ): Promise<FileInfo[]> {
    const { depth, limit, room } = options
    const params = { path, depth, limit, ...this.#as(options), ...detailsOf(options) }
    let count = 0
    const check = (value: unknown) => {
      const batch = checkFileBatch(value)
      count += batch.length
      if (count > limit) throw new ProtocolViolation('more entries than asked for')
      return batch
    }
    return listOf(this.#session, this.#checked, 'file.list', params, check, room)
  }

  async read(
    path: string,
    options: { offset?: number; length?: number; signal?: AbortSignal } & FileAccess = {},
  ): Promise<{ info: FileInfo; body: Readable }> {
    const { offset, length, signal } = options
    signal?.throwIfAborted()
    const channel = this.#session.open('file.read', { path, offset, length, ...this.#as(options) }, true)
    const answer = await this.#session.answerOf(channel, 'file.read', { signal })
    const info = this.#checked(answer, checkFile)
    return { info, body: this.#download(channel, signal) }
  }

  async write(path: string, body: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<FileInfo> {
    const { mode, exclusive, append, xattrs } = options
    const params = { path, mode, exclusive, append, attributes: xattrs, ...this.#as(options) }
    const info = this.#checked(await this.#upload('file.write', params, body), checkFile)
    if (xattrs !== undefined && !this.#knowsDetails) await this.setXattr(info.path, xattrs)
    return info
  }

  async unpack(
    archive: AsyncIterable<Uint8Array>,
    { source, destination, owner, mode, keepOwners = false }: UnpackRequest,
  ): Promise<{ entries: number; bytes: number }> {
    if (keepOwners && !this.#keepsOwners) {
      const message = 'The agent in this sandbox is too old to keep owners; name one'
      throw new SpawnpointError('incompatible', message, { needs: 'agent that keeps owners', has: 'an older one' })
    }
    const answer = await this.#upload('file.unpack', { source, destination, owner, mode, keepOwners }, archive)
    return this.#checked(answer, checkUnpacked)
  }

  async pack(source: string, { signal }: { signal?: AbortSignal } = {}): Promise<Readable> {
    signal?.throwIfAborted()
    const channel = this.#session.open('file.pack', { source }, true)
    await this.#session.answerOf(channel, 'file.pack', { signal })
    return this.#download(channel, signal)
  }

  #download(channel: Channel, signal: AbortSignal | undefined): Readable {
    const body = pieces(channel, this.#checked, dataReader, signal)
    return Readable.from(body, { objectMode: false, highWaterMark: MAX_PAYLOAD_BYTES })
  }

  /** A request that its body follows; resolves to the answer. */
  async #upload(method: string, params: object, body: AsyncIterable<Uint8Array>): Promise<unknown> {
    const source = body[Symbol.asyncIterator]()
    let channel: Channel | undefined
    try {
      // What fits into one frame travels with the request, in one write.
      let first = Buffer.alloc(0)
      let next = await source.next()
      while (next.done !== true && first.length + next.value.length <= MAX_PAYLOAD_BYTES) {
        first = first.length === 0 ? Buffer.from(next.value) : Buffer.concat([first, next.value])
        next = await source.next()
      }
      channel = this.#session.open(method, params, false, { data: first, ended: next.done === true })
      for (; next.done !== true; next = await source.next()) {
        await channel.send(next.value)
        // The guest refused: its error is the answer, the rest is not wanted.
        if (channel.closed) break
      }
      channel.end()
      return await this.#session.answerOf(channel, method)
    } catch (error) {
      channel?.cancel()
      throw error
    } finally {
      // Ends the source if it was not read to its end; its own failure to end changes nothing here.
      await source.return?.().catch(() => {})
    }
  }

  mkdir(path: string, options: { mode?: number; parents?: boolean } & FileAccess = {}): Promise<FileInfo> {
    const { mode, parents } = options
    return this.#file('file.mkdir', { path, mode, parents, ...this.#as(options) })
  }

  async remove(path: string, options: { recursive?: boolean } & FileAccess = {}): Promise<void> {
    await this.#session.call('file.remove', { path, recursive: options.recursive, ...this.#as(options) })
  }

  move(from: string, to: string, options: FileAccess & FileDetails = {}): Promise<FileInfo> {
    return this.#file('file.move', { from, to, ...this.#as(options), ...detailsOf(options) })
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#session.call('file.chmod', { path, mode })
  }

  async chown(path: string, owner: string): Promise<void> {
    await this.#session.call('file.chown', { path, owner })
  }

  async getXattr(path: string): Promise<Record<string, string>> {
    return this.#checked(await this.#session.call('file.getXattr', { path }), checkXattr)
  }

  async setXattr(path: string, attributes: Record<string, string>): Promise<void> {
    await this.#session.call('file.setXattr', { path, attributes })
  }

  async watch(
    path: string,
    options: { recursive: boolean; signal?: AbortSignal } & FileAccess,
  ): Promise<AsyncIterable<FileEvent>> {
    const { recursive, signal } = options
    signal?.throwIfAborted()
    const channel = this.#session.open('file.watch', { path, recursive, ...this.#as(options) }, true)
    await this.#session.answerOf(channel, 'file.watch', { signal })
    return pieces(channel, this.#checked, itemReader(checkFileEvent), signal)
  }
}

function detailsOf({ xattrs, targets }: FileDetails): FileDetails {
  return { ...(xattrs === undefined ? {} : { xattrs }), ...(targets === undefined ? {} : { targets }) }
}

function dataReader(piece: Piece): Buffer {
  if (piece.type !== 'data') throw new ProtocolViolation('items where data belongs')
  return piece.data
}
