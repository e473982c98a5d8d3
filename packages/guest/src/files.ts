import { Readable } from 'node:stream'
import type { FileEvent, FileInfo, GuestFiles, WriteOptions } from '@spawnpoint/core'
import type { Channel, Piece } from './channel.ts'
import { checkFile, checkFileBatch, checkFileEvent, checkXattr } from './checks.ts'
import { MAX_PAYLOAD_BYTES, ProtocolViolation } from './frames.ts'
import { type Checked, pieces } from './pieces.ts'
import { itemReader, listOf } from './processes.ts'
import type { Session } from './session.ts'

export class Files implements GuestFiles {
  readonly #session: Session
  readonly #checked: Checked

  constructor(session: Session, checked: Checked) {
    this.#session = session
    this.#checked = checked
  }

  async #file(method: string, params: object): Promise<FileInfo> {
    return this.#checked(await this.#session.call(method, params), checkFile)
  }

  stat(path: string, user?: string): Promise<FileInfo> {
    return this.#file('file.stat', { path, user })
  }

  async list(path: string, options: { depth: number; limit: number; user?: string }): Promise<FileInfo[]> {
    const { depth, limit, user } = options
    let count = 0
    return listOf(this.#session, this.#checked, 'file.list', { path, depth, limit, user }, (value) => {
      const batch = checkFileBatch(value)
      count += batch.length
      if (count > limit) throw new ProtocolViolation('more entries than asked for')
      return batch
    })
  }

  async read(
    path: string,
    options: { offset?: number; length?: number; user?: string; signal?: AbortSignal } = {},
  ): Promise<{ info: FileInfo; body: Readable }> {
    const { offset, length, user, signal } = options
    signal?.throwIfAborted()
    const channel = this.#session.open('file.read', { path, offset, length, user }, true)
    const answer = await this.#session.answerOf(channel, 'file.read', { signal })
    const info = this.#checked(answer, checkFile)
    const body = Readable.from(pieces(channel, this.#checked, dataReader, signal), {
      objectMode: false,
      highWaterMark: MAX_PAYLOAD_BYTES,
    })
    return { info, body }
  }

  async write(path: string, body: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<FileInfo> {
    const { mode, user, exclusive, append } = options
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
      const params = { path, mode, user, exclusive, append }
      channel = this.#session.open('file.write', params, false, { data: first, ended: next.done === true })
      for (; next.done !== true; next = await source.next()) {
        await channel.send(next.value)
        // The guest refused: its error is the answer, the rest is not wanted.
        if (channel.closed) break
      }
      channel.end()
      return this.#checked(await this.#session.answerOf(channel, 'file.write'), checkFile)
    } catch (error) {
      channel?.cancel()
      throw error
    } finally {
      // Ends the source if it was not read to its end; its own failure to end changes nothing here.
      await source.return?.().catch(() => {})
    }
  }

  mkdir(path: string, options: { mode?: number; user?: string; parents?: boolean } = {}): Promise<FileInfo> {
    return this.#file('file.mkdir', { path, mode: options.mode, user: options.user, parents: options.parents })
  }

  async remove(path: string, options: { recursive?: boolean; user?: string } = {}): Promise<void> {
    await this.#session.call('file.remove', { path, recursive: options.recursive, user: options.user })
  }

  move(from: string, to: string, user?: string): Promise<FileInfo> {
    return this.#file('file.move', { from, to, user })
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
    options: { recursive: boolean; user?: string; signal?: AbortSignal },
  ): Promise<AsyncIterable<FileEvent>> {
    const { recursive, user, signal } = options
    signal?.throwIfAborted()
    const channel = this.#session.open('file.watch', { path, recursive, user }, true)
    await this.#session.answerOf(channel, 'file.watch', { signal })
    return pieces(channel, this.#checked, itemReader(checkFileEvent), signal)
  }
}

function dataReader(piece: Piece): Buffer {
  if (piece.type !== 'data') throw new ProtocolViolation('items where data belongs')
  return piece.data
}
