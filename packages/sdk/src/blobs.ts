import { type FileContent, toBody } from './files.ts'
import type { CallOptions } from './options.ts'
import type { Transport } from './transport.ts'
import type { Schemas } from './wire-schemas.ts'

/**
 * Files that builds copy from: tar archives, plain or gzip. A key is `sha256:` and 64 hex digits, which the content must
 * match, or any other `PREFIX:KEY`. One that nothing has used for 30 days is removed.
 */
export class Blobs {
  readonly #transport: Transport

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Sends an archive unless the server has it already; returns its key, for copy steps. */
  async upload(archive: Uint8Array, options: CallOptions = {}): Promise<string> {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(archive)))
    const key = `sha256:${Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
    if (!(await this.has(key, options))) await this.put(key, archive, options)
    return key
  }

  async has(key: string, options: CallOptions = {}): Promise<boolean> {
    const path = pathOf(key)
    const { present } = await this.#transport.json<Schemas['BlobPresence']>({ method: 'GET', path, ...options })
    return present
  }

  /** Replaces what was there. A stream has no time limit unless `timeoutMs` says so, and is not sent twice. */
  async put(key: string, content: FileContent, options: CallOptions = {}): Promise<{ sizeBytes: number }> {
    const { body, streamed } = toBody(content)
    const { sizeBytes } = await this.#transport.json<Schemas['StoredBlob']>({
      method: 'PUT',
      path: pathOf(key),
      body,
      headers: { 'content-type': 'application/octet-stream' },
      repeat: streamed ? 'streamed' : 'always',
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? (streamed ? 0 : undefined),
    })
    return { sizeBytes }
  }

  /** Images that were built with it stay. */
  async delete(key: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: pathOf(key), ...options })
  }
}

function pathOf(key: string): string {
  return `/v1/blobs/${encodeURIComponent(key)}`
}
