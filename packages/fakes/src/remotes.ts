import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { notFound, type RemoteAsk, type RemoteReader, SpawnpointError } from '@spawnpoint/core'
import type { FakeHost } from './host.ts'
import { writeTar } from './tar.ts'

/** A repository of `FakeHost.repositories`: content of files by name, and what a request must bring to get them. */
export interface FakeRepository {
  files: Record<string, string>
  authorization?: string
}

/** Reads `FakeHost.repositories`, by address, with `#branch` or `#tag` behind it. Its fault point is `remotes.read`. */
export class FakeRemoteReader implements RemoteReader {
  readonly type = 'git'
  readonly #host: FakeHost
  readonly #life

  constructor(host: FakeHost) {
    this.#host = host
    this.#life = host.faults.life
  }

  read(
    { source: { url, ref }, credentials, known, maxBytes }: RemoteAsk,
    take: (archive: Readable) => Promise<void>,
    signal: AbortSignal,
  ): Promise<string> {
    return this.#host.faults.run(this.#life, 'remotes.read', url, async () => {
      signal.throwIfAborted()
      const repository = this.#host.repositories.get(ref === null ? url : `${url}#${ref.name}`)
      if (repository === undefined) throw notFound('remote', url)
      const { host } = new URL(url)
      const given = credentials
        .find(({ hosts }) => hosts.includes(host))
        ?.headers.find(({ name }) => name === 'authorization')
      if (repository.authorization !== undefined && given?.value !== repository.authorization)
        throw new SpawnpointError('forbidden', `${host} wants credentials`, { what: url })
      const version = createHash('sha1').update(JSON.stringify(repository.files)).digest('hex')
      if (version === known) return version
      const entries = Object.entries(repository.files).map(([name, text]) => ({
        name,
        type: 'file' as const,
        mode: 0o644,
        target: '',
        data: Buffer.from(text),
      }))
      const archive = writeTar(entries)
      if (archive.length > maxBytes)
        throw new SpawnpointError('payload_too_large', `At most ${maxBytes} bytes`, { limitBytes: maxBytes })
      await take(Readable.from([archive]))
      return version
    })
  }
}
