import { posix } from 'node:path'
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
import type { GuestLink } from './guest-link.ts'
import { packFrom, unpackInto } from './unpack.ts'
import { within } from './within-room.ts'

export class FakeGuestFiles implements GuestFiles {
  readonly #link: GuestLink

  constructor(link: GuestLink) {
    this.#link = link
  }

  stat(path: string, options: FileAccess & FileDetails = {}): Promise<FileInfo> {
    return this.#call('stat', path, () =>
      this.#files.told(this.#files.info(this.#path(path, options), options.user), options),
    )
  }

  async list(
    path: string,
    options: { depth: number; limit: number } & ListOptions & FileAccess & FileDetails,
  ): Promise<FileInfo[]> {
    const found = await this.#call('list', path, () =>
      this.#files
        .list(this.#path(path, options), options.depth, options.limit, options.user)
        .map((info) => this.#files.told(info, options)),
    )
    return within(options.room, found)
  }

  read(
    path: string,
    options: { offset?: number; length?: number; signal?: AbortSignal } & FileAccess = {},
  ): Promise<{ info: FileInfo; body: Readable }> {
    return this.#call('read', path, () => {
      const at = this.#path(path, options)
      const all = this.#files.read(at, options.user)
      const from = options.offset ?? 0
      const body = all.subarray(from, options.length === undefined ? undefined : from + options.length)
      const link = this.#link
      async function* pieces() {
        for (let sent = 0; sent < body.length; sent += 65_536) {
          await link.flowing(options.signal)
          yield body.subarray(sent, sent + 65_536)
        }
      }
      return { info: this.#files.info(at, options.user), body: Readable.from(pieces(), { objectMode: false }) }
    })
  }

  write(path: string, body: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<FileInfo> {
    return this.#call('write', path, async () => {
      const pieces: Uint8Array[] = []
      for await (const piece of body) {
        await this.#link.flowing()
        pieces.push(Buffer.from(piece))
      }
      // The incarnation may have ended or been held meanwhile; nothing may land in its root then.
      await this.#link.flowing()
      const owner = options.owner ?? this.#defaultUser
      return this.#files.write(this.#path(path, options), Buffer.concat(pieces), { ...options, owner })
    })
  }

  mkdir(path: string, options: { mode?: number; parents?: boolean } & FileAccess = {}): Promise<FileInfo> {
    return this.#call('mkdir', path, () =>
      this.#files.mkdir(this.#path(path, options), { ...options, owner: options.owner ?? this.#defaultUser }),
    )
  }

  remove(path: string, options: { recursive?: boolean } & FileAccess = {}): Promise<void> {
    return this.#call('remove', path, () => this.#files.remove(this.#path(path, options), options))
  }

  move(from: string, to: string, options: FileAccess & FileDetails = {}): Promise<FileInfo> {
    return this.#call('move', `${from} ${to}`, () => {
      const owner = options.owner ?? this.#defaultUser
      const moved = this.#files.move(this.#path(from, options), this.#path(to, options), { ...options, owner })
      return this.#files.told(moved, options)
    })
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#call('chmod', path, () => this.#files.change(this.#path(path), { mode: mode & 0o7777 }))
  }

  chown(path: string, owner: string): Promise<void> {
    return this.#call('chown', path, () => {
      const { uid, gid } = this.#files.account(owner)
      this.#files.change(this.#path(path), { uid, gid })
    })
  }

  getXattr(path: string): Promise<Record<string, string>> {
    return this.#call('getXattr', path, () => this.#files.xattrs(this.#path(path)))
  }

  setXattr(path: string, attributes: Record<string, string>): Promise<void> {
    return this.#call('setXattr', path, () => {
      const at = this.#path(path)
      this.#files.change(at, { xattrs: { ...this.#files.xattrs(at), ...attributes } })
    })
  }

  unpack(archive: AsyncIterable<Uint8Array>, request: UnpackRequest): Promise<{ entries: number; bytes: number }> {
    return this.#call('unpack', `${request.source} ${request.destination}`, async () => {
      const pieces: Uint8Array[] = []
      for await (const piece of archive) pieces.push(Buffer.from(piece))
      await this.#link.flowing()
      return unpackInto(this.#files, Buffer.concat(pieces), request)
    })
  }

  pack(source: string): Promise<Readable> {
    return this.#call('pack', source, () => Readable.from([packFrom(this.#files, source)], { objectMode: false }))
  }

  watch(
    path: string,
    options: { recursive: boolean; signal?: AbortSignal } & FileAccess,
  ): Promise<AsyncIterable<FileEvent>> {
    return this.#call('watch', path, () => {
      const dir = this.#files.info(this.#path(path, options), options.user).path
      const queue: FileEvent[] = []
      const stop = this.#files.onChange((event) => {
        const inside = options.recursive
          ? event.path.startsWith(dir === '/' ? '/' : `${dir}/`)
          : posix.dirname(event.path) === dir
        if (!inside && event.path !== dir) return
        queue.push(event)
        this.#link.machine.changed.ring()
      })
      options.signal?.addEventListener('abort', stop, { once: true })
      return events(this.#link, queue, stop, options.signal)
    })
  }

  get #files() {
    return this.#link.machine.files
  }

  get #defaultUser(): string {
    return this.#link.machine.identity?.defaults.user ?? 'root'
  }

  #path(path: string, { user, owner }: FileAccess = {}): string {
    const { home } = this.#files.account(user ?? owner ?? this.#defaultUser)
    return posix.resolve(home, path.replace(/^~(?=\/|$)/, '.'))
  }

  #call<T>(name: string, detail: string, work: () => T | Promise<T>): Promise<T> {
    return this.#link.call(`files.${name}`, detail, work)
  }
}

async function* events(
  link: GuestLink,
  queue: FileEvent[],
  stop: () => void,
  signal?: AbortSignal,
): AsyncGenerator<FileEvent> {
  try {
    for (;;) {
      await link.flowing(signal)
      const event = queue.shift()
      if (event) yield event
      else await link.until(() => queue.length > 0, signal)
    }
  } finally {
    stop()
  }
}
