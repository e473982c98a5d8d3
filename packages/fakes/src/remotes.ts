import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  type BucketSource,
  bucketUrl,
  type GitSource,
  matchingRule,
  notFound,
  type RemoteAsk,
  type RemoteChange,
  type RemoteReader,
  type RemoteSource,
  SpawnpointError,
  type TakeRemote,
} from '@spawnpoint/core'
import type { FakeHost } from './host.ts'
import { writeTar } from './tar.ts'

/** What `FakeHost.repositories` or `FakeHost.buckets` has: content of files by name, and what a request must bring to get them. */
export interface FakeRepository {
  files: Record<string, string>
  /** A header, or the first value of the way that the request is authorized in */
  authorization?: string
}

export function fakeRemoteReaders(host: FakeHost): RemoteReader[] {
  const buckets = (['s3', 'gcs', 'azure'] as const).map((type) => new FakeBucketReader(host, type))
  return [new FakeRemoteReader(host), ...buckets]
}

/** Reads `FakeHost.repositories`, by address, with `#branch` or `#tag` behind it. Its fault point is `remotes.read`. */
export class FakeRemoteReader implements RemoteReader<GitSource> {
  readonly type = 'git'
  readonly #host: FakeHost
  readonly #life

  constructor(host: FakeHost) {
    this.#host = host
    this.#life = host.faults.life
  }

  read(ask: RemoteAsk<GitSource>, take: TakeRemote, signal: AbortSignal): Promise<string> {
    const { url, ref } = ask.source
    return this.#host.faults.run(this.#life, 'remotes.read', url, async () => {
      signal.throwIfAborted()
      const files = found(this.#host.repositories, ref === null ? url : `${url}#${ref.name}`, ask, new URL(url))
      const version = createHash('sha1').update(JSON.stringify(files)).digest('hex')
      if (version !== ask.known) await take(archiveOf(files, ask.maxBytes), null)
      return version
    })
  }
}

/** Reads `FakeHost.buckets`, by `TYPE:BUCKET/PREFIX`; what it read before it remembers. Its fault point is `remotes.read`. */
export class FakeBucketReader<S extends BucketSource> implements RemoteReader<S> {
  readonly type: S['type']
  readonly #host: FakeHost
  readonly #life
  readonly #read = new Map<string, Record<string, string>>()

  constructor(host: FakeHost, type: S['type']) {
    this.type = type
    this.#host = host
    this.#life = host.faults.life
  }

  read(ask: RemoteAsk<S>, take: TakeRemote, signal: AbortSignal): Promise<string> {
    const { bucket, prefix } = ask.source
    const name = `${this.type}:${bucket}/${prefix}`
    return this.#host.faults.run(this.#life, 'remotes.read', name, async () => {
      signal.throwIfAborted()
      const files = found(this.#host.buckets, name, ask, bucketUrl(ask.source))
      const version = createHash('sha256').update(JSON.stringify(files)).digest('hex')
      const before = ask.known === null ? undefined : this.#read.get(ask.known)
      if (version !== ask.known) {
        const change = before === undefined ? null : changeOf(before, files, ask.maxChanges)
        const brought = change === null ? files : pick(files, change.brought)
        await take(archiveOf(brought, ask.maxBytes), change)
      }
      this.#read.set(version, files)
      return version
    })
  }
}

function found(
  all: ReadonlyMap<string, FakeRepository>,
  name: string,
  { credentials }: RemoteAsk<RemoteSource>,
  { hostname, host, pathname }: URL,
): Record<string, string> {
  const there = all.get(name)
  if (there === undefined) throw notFound('remote', name)
  const rule = matchingRule(credentials, hostname, pathname, [])
  const given = rule?.auth?.values[0]?.value ?? rule?.headers.find((one) => one.name === 'authorization')?.value
  if (there.authorization !== undefined && given !== there.authorization)
    throw new SpawnpointError('forbidden', `${host} wants credentials`, { what: name })
  return there.files
}

function changeOf(before: Record<string, string>, files: Record<string, string>, max: number): RemoteChange | null {
  const brought = Object.keys(files).filter((name) => files[name] !== before[name])
  const gone = Object.keys(before).filter((name) => !(name in files))
  return brought.length + gone.length > max ? null : { brought, gone }
}

function pick(files: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([name]) => names.includes(name)))
}

function archiveOf(files: Record<string, string>, maxBytes: number): Readable {
  const entries = Object.entries(files).map(([name, text]) => ({
    name,
    type: 'file' as const,
    mode: 0o644,
    target: '',
    data: Buffer.from(text),
  }))
  const archive = writeTar(entries)
  if (archive.length > maxBytes)
    throw new SpawnpointError('payload_too_large', `At most ${maxBytes} bytes`, { limitBytes: maxBytes })
  return Readable.from([archive])
}
