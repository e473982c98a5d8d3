import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Blob, INDEX_TYPE, type MadeImage } from './image.ts'

export const USER = { username: 'alice', password: 'wonderland' }
/** bcrypt of the password above, as `htpasswd -B` makes it */
const HTPASSWD = 'alice:$2y$05$kfGYpCXyZO1/ddBERbSpl.OfgxMyH93OlTQqQSxqzR3/bnCchdffe\n'
/** Where bootstrap puts it for the tests; else it is on the search path */
const FETCHED = join(import.meta.dirname, '../../../../.cache/debian/usr/bin/docker-registry')
const STARTED_WITHIN_MS = 30_000

/** Debian's `docker-registry` on a free port of the loopback, with a store of its own. */
export class DockerRegistry implements AsyncDisposable {
  /** `host:port` */
  readonly host: string
  readonly #child: ChildProcess
  readonly #dir: string
  readonly #authorization: string | null

  private constructor(host: string, child: ChildProcess, dir: string, authorization: string | null) {
    this.host = host
    this.#child = child
    this.#dir = dir
    this.#authorization = authorization
  }

  static async start({ auth = false } = {}): Promise<DockerRegistry> {
    const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-registry-'))
    writeFileSync(join(dir, 'htpasswd'), HTPASSWD)
    writeFileSync(
      join(dir, 'config.yml'),
      [
        'version: 0.1',
        'log: { level: info }',
        `storage: { filesystem: { rootdirectory: ${dir}/data }, delete: { enabled: true } }`,
        'http: { addr: "127.0.0.1:0" }',
        ...(auth ? [`auth: { htpasswd: { realm: test, path: ${dir}/htpasswd } }`] : []),
      ].join('\n'),
    )
    const program = existsSync(FETCHED) ? FETCHED : 'docker-registry'
    const child = spawn(program, ['serve', join(dir, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'] })
    const output: string[] = []
    const host = await new Promise<string>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`docker-registry ${why}:\n${output.join('')}`))
      const limit = setTimeout(() => fail('did not start'), STARTED_WITHIN_MS)
      child.once('error', (error) => fail(error.message))
      child.once('exit', (code) => fail(`ended with ${code}`))
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        output.push(text)
        const address = /listening on (127\.0\.0\.1:\d+)/.exec(output.join(''))?.[1]
        if (address === undefined) return
        clearTimeout(limit)
        resolve(address)
      })
    })
    const basic = `Basic ${Buffer.from(`${USER.username}:${USER.password}`).toString('base64')}`
    return new DockerRegistry(host, child, dir, auth ? basic : null)
  }

  /** Stores the image as `repository:tag`. */
  async push(repository: string, tag: string, image: MadeImage): Promise<void> {
    for (const blob of [image.config, ...image.layers]) await this.#pushBlob(repository, blob)
    await this.pushManifest(repository, tag, image.manifest)
  }

  /** Stores the images by digest and their index as `repository:tag`. */
  async pushIndex(repository: string, tag: string, index: Blob, images: MadeImage[]): Promise<void> {
    for (const image of images) await this.push(repository, image.manifest.digest, image)
    await this.pushManifest(repository, tag, { ...index, mediaType: INDEX_TYPE })
  }

  async pushManifest(repository: string, reference: string, { bytes, mediaType }: Blob): Promise<void> {
    await this.#send('PUT', `/v2/${repository}/manifests/${reference}`, bytes, { 'content-type': mediaType })
  }

  /** Of an image that is there. */
  async layers(repository: string, tag: string): Promise<{ digest: string; size: number }[]> {
    const accept = { accept: 'application/vnd.oci.image.manifest.v1+json' }
    const answer = await this.#ask('GET', `/v2/${repository}/manifests/${tag}`, null, accept)
    return (JSON.parse(await answer.text()) as { layers: { digest: string; size: number }[] }).layers
  }

  async #pushBlob(repository: string, { digest, bytes }: Blob): Promise<void> {
    const begun = await this.#send('POST', `/v2/${repository}/blobs/uploads/`, null)
    const place = new URL(begun.headers.get('location') ?? '', `http://${this.host}`)
    place.searchParams.set('digest', digest)
    const type = { 'content-type': 'application/octet-stream' }
    await this.#send('PUT', `${place.pathname}${place.search}`, bytes, type)
  }

  async #send(method: string, path: string, body: Buffer | null, headers: Record<string, string> = {}) {
    const answer = await this.#ask(method, path, body, headers)
    await answer.arrayBuffer()
    return answer
  }

  async #ask(method: string, path: string, body: Buffer | null, headers: Record<string, string>) {
    const authorization = this.#authorization === null ? {} : { authorization: this.#authorization }
    const answer = await fetch(`http://${this.host}${path}`, {
      method,
      headers: { ...headers, ...authorization },
      body: body === null ? null : new Uint8Array(body),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.removeAllListeners('error')
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL')
      await ended
    }
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
