import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const IDENTITY = ['-c', 'user.name=test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false']

export interface Answer {
  status: number
  headers: Record<string, string>
  body?: string
}

/** Git's own HTTP server, `git http-backend`, on this host, with repositories in a directory of its own. */
export class GitServer implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'spawnpoint-git-'))
  /** What a request must bring as its `Authorization` header, if anything */
  authorization: string | null = null
  /** What is answered instead, if anything */
  instead: ((request: IncomingMessage) => Answer | null) | null = null
  /** The requests' paths and `Authorization` headers */
  readonly asked: { url: string; authorization: string | undefined }[] = []
  readonly #server: Server
  readonly #scheme: 'http' | 'https'

  private constructor(tls: { key: string; cert: string } | null) {
    const listener: RequestListener = (request, response) => this.#serve(request, response)
    this.#server = tls === null ? createServer(listener) : createSecureServer(tls, listener)
    this.#scheme = tls === null ? 'http' : 'https'
  }

  static async open(tls: { key: string; cert: string } | null = null): Promise<GitServer> {
    const server = new GitServer(tls)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  urlOf(name: string, host = '127.0.0.1'): string {
    return `${this.#scheme}://${host}:${this.port}/${name}.git`
  }

  /** Commits these files, and nothing else, to a branch of the repository, which is made if there is none; tags it, if asked to. */
  commit(name: string, files: Record<string, string>, { branch = 'main', tag = '' } = {}): string {
    const bare = join(this.dir, `${name}.git`)
    execFileSync('git', ['init', '-q', '--bare', '-b', 'main', bare])
    const work = mkdtempSync(join(this.dir, 'work-'))
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', work, ...IDENTITY, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    git('init', '-q', '-b', branch)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(work, path)), { recursive: true })
      writeFileSync(join(work, path), text, { mode: path.endsWith('.sh') ? 0o755 : 0o644 })
    }
    git('add', '-A')
    git('commit', '-q', '--allow-empty', '-m', 'of a test')
    if (tag !== '') git('tag', '-a', tag, '-m', 'of a test')
    git('push', '-q', '--force', bare, branch, ...(tag === '' ? [] : [tag]))
    const id = git('rev-parse', 'HEAD').trim()
    rmSync(work, { recursive: true })
    return id
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://git.test')
    this.asked.push({ url: request.url ?? '', authorization: request.headers.authorization })
    const instead = this.instead?.(request) ?? null
    if (instead !== null) {
      response.writeHead(instead.status, instead.headers).end(instead.body)
      return
    }
    if (this.authorization !== null && request.headers.authorization !== this.authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    const child = spawn('git', ['http-backend'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: this.dir,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'],
        CONTENT_LENGTH: request.headers['content-length'],
      },
    })
    request.pipe(child.stdin)
    child.stdin.on('error', () => {}) // it answers before it has read all
    const output: Buffer[] = []
    child.stdout.on('data', (piece: Buffer) => output.push(piece))
    child.once('close', () => {
      const all = Buffer.concat(output)
      const end = all.indexOf('\r\n\r\n')
      const headers = all
        .toString('latin1', 0, end)
        .split('\r\n')
        .map((line) => /^([^:]+): (.*)$/.exec(line)?.slice(1) ?? ['', ''])
      const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200'
      const rest = headers.filter(([name]) => name !== 'Status' && name !== '')
      response.writeHead(Number.parseInt(status, 10), Object.fromEntries(rest)).end(all.subarray(end + 4))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
    rmSync(this.dir, { recursive: true, force: true })
  }
}
