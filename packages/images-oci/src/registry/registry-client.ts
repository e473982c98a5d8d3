import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { discard } from '@spawnpoint/outbound'
import type { Descriptor } from '../manifest.ts'
import type { RegistrySession } from './session.ts'

const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')
const MAX_MANIFEST_BYTES = 4 * 2 ** 20
/** 201 is what the protocol says */
const TAKEN = [200, 201, 202, 204]

export interface Manifest {
  digest: string
  bytes: Buffer
  /** As the registry says; the manifest itself may say too */
  mediaType: string
}

/** The OCI distribution protocol for one repository, as far as images go in and out. Errors are those of the session. */
export class RegistryClient {
  readonly #session: RegistrySession

  constructor(session: RegistrySession) {
    this.#session = session
  }

  /** By tag or digest, the reference's own unless told. A digest is checked. */
  async manifest(digest: string | null = this.#session.reference.digest): Promise<Manifest> {
    const session = this.#session
    const path = `manifests/${digest ?? session.reference.tag ?? 'latest'}`
    const answer = await session.expect({ method: 'GET', path, headers: { accept: MANIFEST_TYPES } }, [200])
    const bytes = await session.read(answer, MAX_MANIFEST_BYTES)
    const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if (digest !== null && actual !== digest) throw session.nonsense(`the manifest ${digest} has the digest ${actual}`)
    return { digest: actual, bytes, mediaType: answer.header('content-type')?.split(';')[0]?.trim() ?? '' }
  }

  /** True if these credentials may read the blob. */
  async has(digest: string): Promise<boolean> {
    const path = `blobs/${digest}`
    const answer = await this.#session.ask({ method: 'HEAD', path })
    discard(answer)
    if (answer.status === 200) return true
    // Some registries send a HEAD on to a store whose links are for GET only.
    if (answer.status === 405 || answer.status === 403) {
      const got = await this.#session.ask({ method: 'GET', path, headers: { range: 'bytes=0-0' } })
      discard(got)
      return got.status === 200 || got.status === 206
    }
    return false
  }

  /**
   * The blob from byte `from` on, or all of it where the registry cannot begin in the middle. What it does not have is asked
   * for at `urls`, as nobody: layers that their makers did not want to be copied ("foreign") are there.
   */
  async blob(digest: string, from: number, urls: readonly string[] = []): Promise<{ start: number; body: Readable }> {
    const session = this.#session
    const path = `blobs/${digest}`
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {}
    let answer = await session.ask({ method: 'GET', path, headers })
    for (const url of urls) {
      if (answer.status !== 404) break
      discard(answer)
      answer = await session.askElsewhere(url, headers)
    }
    if (answer.status === 404) {
      discard(answer)
      throw session.missing(`it has no ${digest}, which the image names`)
    }
    session.check(answer, from > 0 ? [200, 206, 416] : [200])
    if (answer.status === 416) {
      // It cannot begin there: from the start then.
      discard(answer)
      return this.blob(digest, 0, urls)
    }
    if (answer.status === 200) return { start: 0, body: answer.body }
    const start = Number(/^bytes (\d+)-/.exec(answer.header('content-range') ?? '')?.[1] ?? Number.NaN)
    if (start === from) return { start, body: answer.body }
    discard(answer)
    throw session.nonsense(`asked for byte ${from} and on, it answered from ${start}`)
  }

  /** Puts a blob there, unless it is; `content` is made anew each time that it is sent. */
  async putBlob(blob: Descriptor, content: () => Readable | Buffer): Promise<void> {
    const session = this.#session
    const there = await session.ask({ method: 'HEAD', path: `blobs/${blob.digest}` })
    discard(there)
    if (there.status === 200) return
    const begun = await session.expect(
      { method: 'POST', path: 'blobs/uploads/', headers: { 'content-length': '0' } },
      [202],
    )
    discard(begun)
    const place = session.location(begun)
    place.searchParams.set('digest', blob.digest)
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) }
    discard(await session.expect({ method: 'PUT', path: place, headers, body: content }, TAKEN))
  }

  /** Has the registry take a blob over from another of its repositories; false if it does not. */
  async mountBlob(digest: string, from: string): Promise<boolean> {
    const path = `blobs/uploads/?${new URLSearchParams({ mount: digest, from })}`
    const answer = await this.#session.expect({ method: 'POST', path, headers: { 'content-length': '0' } }, [201, 202])
    // An upload that it began instead is one that nobody goes on with.
    discard(answer)
    return answer.status === 201
  }

  /** Under the reference's tag. Preconditions: its blobs are there. */
  async putManifest(bytes: Buffer, mediaType: string): Promise<void> {
    const path = `manifests/${this.#session.reference.tag ?? 'latest'}`
    const headers = { 'content-type': mediaType, 'content-length': String(bytes.length) }
    discard(await this.#session.expect({ method: 'PUT', path, headers, body: () => bytes }, TAKEN))
  }
}
