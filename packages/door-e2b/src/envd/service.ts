import { type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import type { GatewayService, ServiceCall } from '@spawnpoint/gateway'
import { AT_REST, endings } from '../ending.ts'
import type { Log } from '../log.ts'
import { requireToken, requireTokenOrSignature, signedOf } from './access.ts'
import { compose } from './compose.ts'
import { answerPreflight, openToBrowsers } from './cors.ts'
import { download } from './download.ts'
import { sandboxEnv } from './environment.ts'
import type { FilesCall } from './files.ts'
import { answerError, answerJson, HttpError } from './http-error.ts'
import { Markers } from './markers.ts'
import { metricsJson } from './metrics.ts'
import { Rpc } from './rpc.ts'
import { TemplateIds } from './template-ids.ts'
import { upload } from './upload.ts'
import { userNamed } from './who.ts'

/** Calls of the host to its agent; here there is nothing of the kind. */
const HOST_ONLY = new Set(['/init', '/freeze', '/unfreeze', '/collapse', '/fsfreeze', '/fsthaw', '/upgrade'])

const FILE_METHODS = new Set(['GET', 'HEAD', 'POST'])

export interface EnvdOptions {
  api: SpawnpointApi
  log: Log
}

/** What E2B's agent answers inside a sandbox at its port, answered here for every sandbox. */
export class Envd implements GatewayService {
  readonly #api: SpawnpointApi
  readonly #templates: TemplateIds
  readonly #markers = new Markers()
  readonly #rpc: Rpc

  constructor({ api, log }: EnvdOptions) {
    this.#api = api
    this.#templates = new TemplateIds(api)
    this.#rpc = new Rpc(log, this.#templates, endings(api))
  }

  async request(call: ServiceCall): Promise<void> {
    const { req, res } = call
    openToBrowsers(res)
    if (req.method === 'OPTIONS') return answerPreflight(req, res)
    try {
      if (req.method === 'GET' && /^\/health(\?|$)/.test(req.url ?? '')) return await this.#health(call)
      await this.#route({ ...call, guest: () => this.#inside(call) })
    } catch (error) {
      if (!(error instanceof HttpError) || res.headersSent) throw error
      answerError(res, error)
    }
  }

  async #route(call: ServiceCall): Promise<void> {
    const { req, res, sandbox } = call
    const { tokens } = this.#api
    const [path = '/', search = ''] = (req.url ?? '/').split('?', 2)
    const query = new URLSearchParams(search)
    const route = `${req.method} ${path}`
    if (HOST_ONLY.has(path)) throw new HttpError(404, 'not found')
    if (path === '/files' && FILE_METHODS.has(req.method ?? '')) {
      requireTokenOrSignature(tokens, sandbox, req, signedOf(query, req.method), new Date())
      const files = filesCall(call, query)
      return req.method === 'POST' ? upload(files) : download(files)
    }
    requireToken(tokens, sandbox, req)
    if (this.#rpc.has(path)) return this.#rpc.request(path, call)
    switch (route) {
      case 'POST /files/compose':
        return compose(filesCall(call, query))
      case 'GET /metrics':
        return answerJson(res, 200, metricsJson(await this.#latest(call)))
      case 'GET /envs':
        return answerJson(res, 200, await this.#env(call))
      default:
        throw new HttpError(404, `there is no ${req.method} ${path.slice(0, 200)}`)
    }
  }

  /** What every call of a client comes by; `health` alone looks and leaves nothing behind. */
  async #inside({ by, guest }: ServiceCall) {
    const found = await guest()
    await this.#markers.tell(found.guest, found.sandbox, () => this.#templates.of(by, found.sandbox))
    return found
  }

  /** Whether it runs. A question is no use of a sandbox: it wakes none. */
  async #health({ sandbox, res, guest }: ServiceCall): Promise<void> {
    if (AT_REST.has(sandbox.state)) {
      const message = 'The sandbox is not running'
      throw new SpawnpointError('wrong_state', message, {
        resource: 'sandbox',
        id: sandbox.id,
        state: sandbox.state,
        request: 'use',
      })
    }
    await guest()
    res.writeHead(204).end()
  }

  async #env({ by, guest }: ServiceCall) {
    const { sandbox } = await guest()
    return sandboxEnv(sandbox, await this.#templates.of(by, sandbox))
  }

  async #latest({ by, sandbox, guest }: ServiceCall) {
    await guest()
    const samples = await this.#api.sandboxes.metrics(by, sandbox.id, {})
    const latest = samples.at(-1)
    if (latest === undefined) throw new HttpError(503, 'there are no metrics yet')
    return latest
  }
}

function filesCall({ req, res, guest }: ServiceCall, query: URLSearchParams): FilesCall {
  return { req, res, query, user: userNamed(query.get('username')), guest }
}
