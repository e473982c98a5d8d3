import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Env,
  isCode,
  type Sandbox,
  type SandboxId,
  SpawnpointError,
  type TokensApi,
  Turns,
} from '@spawnpoint/core'
import type { Log } from '../log.ts'
import { authorize } from './authorize.ts'
import { type Context, Contexts } from './contexts.ts'
import { execute } from './execution.ts'
import type { Inside } from './inside.ts'
import { nothingListens } from './jupyter/client.ts'
import { startJupyter } from './jupyter/start.ts'
import { LANGUAGES } from './languages.ts'
import { LineWriter } from './line-writer.ts'
import { Refusal } from './refusal.ts'
import { createContextBody, executeBody, readBody } from './requests.ts'

/** What is asked of a sandbox's record. */
export type InterpretedSandbox = Pick<Sandbox, 'id' | 'incarnationId' | 'defaults' | 'env' | 'ingress'>

/** A request for the interpreter of a sandbox. */
export interface InterpreterCall {
  req: IncomingMessage
  res: ServerResponse
  sandbox: InterpretedSandbox
  /** The inside; a sandbox at rest whose policy says so is brought back first */
  guest(): Promise<{ sandbox: InterpretedSandbox; guest: Inside }>
}

export interface InterpreterOptions {
  tokens: TokensApi
  log: Log
  /** Whether a sandbox is being brought to rest, or is there */
  isEnding: (id: SandboxId) => Promise<boolean>
}

/** Variable by which a kernel knows the sandbox it is in */
const MARKER = 'E2B_SANDBOX_ID'
const CONTEXT = /^\/contexts\/([^/]{1,256})$/
const RESTART = /^\/contexts\/([^/]{1,256})\/restart$/

/**
 * The code interpreter's protocol at port 49999: code in, lines of JSON out, in front of the Jupyter of the sandbox, which
 * is started on first use. Holds nothing but turns: contexts live in the sandbox.
 */
export class Interpreter {
  readonly #options: InterpreterOptions
  readonly #turns = new Turns<string>()
  /** What runs, by incarnation and context; aborted when the context is restarted or removed */
  readonly #running = new Map<string, AbortController>()

  constructor(options: InterpreterOptions) {
    this.#options = options
  }

  /** Answers a request. Rejects with what the core says of a sandbox that does not run. */
  async request(call: InterpreterCall): Promise<void> {
    try {
      await this.#route(call)
    } catch (error) {
      if (!(error instanceof Refusal) || call.res.headersSent) throw error
      if (error.status >= 500)
        this.#options.log.warn({ err: error, sandbox: call.sandbox.id }, 'a code interpreter failed')
      refuse(call.res, error)
    }
  }

  async #route(call: InterpreterCall): Promise<void> {
    const { req, res } = call
    const path = (req.url ?? '/').replace(/\?.*$/, '')
    const route = `${req.method} ${path}`
    if (route === 'POST /execute') return this.#execute(call)
    authorize(req, call.sandbox, this.#options.tokens, false)
    if (route === 'GET /health') return this.#within(call, async () => answer(res, 'OK'))
    if (route === 'GET /contexts') {
      return this.#within(call, async (contexts, key) => {
        await this.#default(contexts, key, 'python')
        answer(res, (await contexts.list()).map(shown))
      })
    }
    if (route === 'POST /contexts') {
      const { language, cwd } = await readBody(req, createContextBody)
      return this.#within(call, async (contexts) =>
        answer(res, shown(await contexts.create(language ?? 'python', cwd ?? undefined))),
      )
    }
    const removed = CONTEXT.exec(path)?.[1]
    const restarted = RESTART.exec(path)?.[1]
    const id = req.method === 'DELETE' ? removed : req.method === 'POST' ? restarted : undefined
    if (id === undefined) throw new Refusal(404, 'Not Found')
    await this.#within(call, async (contexts, key) => {
      const context = await contexts.get(decoded(id))
      const running = this.#running.get(`${key} ${context.id}`)
      running?.abort(removed === undefined ? 'restarted' : 'closed')
      if (removed === undefined) await contexts.restart(context)
      else await contexts.remove(context)
      answer(res, null)
    })
  }

  async #execute(call: InterpreterCall): Promise<void> {
    const { req, res } = call
    authorize(req, call.sandbox, this.#options.tokens, true)
    const body = await readBody(req, executeBody)
    const env = body.env_vars ?? {}
    await this.#within(call, async (contexts, key, { sandbox, guest }) => {
      const id = body.context_id === 'default' ? null : body.context_id
      const context = id ? await contexts.get(id) : await this.#default(contexts, key, body.language ?? 'python')
      if (!LANGUAGES.has(context.language) && Object.keys(env).length > 0)
        throw new Refusal(400, `env_vars cannot be given to ${context.language} code`)
      const left = new AbortController()
      res.once('close', () => left.abort())
      if (res.destroyed) return
      using lines = new LineWriter(res)
      const over = new AbortController()
      const runKey = `${key} ${context.id}`
      const work = async () => {
        this.#running.set(runKey, over)
        try {
          await execute({
            ...{ inside: guest, context, code: body.code, env, sandboxEnv: environmentOf(sandbox), marker: MARKER },
            ...{ lines, left: left.signal, over: over.signal },
            interrupt: () => contexts.interrupt(context),
            check: async () => {
              if (await this.#options.isEnding(sandbox.id))
                throw new SpawnpointError('stale_incarnation', 'The sandbox has ended', { sandboxId: sandbox.id })
              await contexts.check()
            },
          })
        } finally {
          this.#running.delete(runKey)
        }
      }
      await this.#turns.take(runKey, work, left.signal).catch((error: unknown) => {
        if (left.signal.aborted) return
        // The client asks whether the sandbox lives when its answer breaks off.
        if (isCode(error, 'stale_incarnation')) return void res.destroy()
        this.#options.log.warn({ err: error, sandbox: sandbox.id }, 'an execution failed')
        lines.fail()
      })
    })
  }

  /** Runs `work`, with a Jupyter started if there is none. Its first call must be one that changes nothing. */
  async #within(
    call: InterpreterCall,
    work: (contexts: Contexts, key: string, inside: { sandbox: InterpretedSandbox; guest: Inside }) => Promise<void>,
  ): Promise<void> {
    const inside = await call.guest()
    const { sandbox, guest } = inside
    const key = sandbox.incarnationId ?? sandbox.id
    const { workdir } = sandbox.defaults
    const contexts = new Contexts(guest, workdir)
    try {
      await contexts.list()
    } catch (error) {
      if (!nothingListens(error)) throw error
      await this.#turns.take(`start ${key}`, () => startJupyter(guest, workdir, environmentOf(sandbox)))
    }
    await work(contexts, key, inside)
  }

  #default(contexts: Contexts, key: string, language: string): Promise<Context> {
    return this.#turns.take(`default ${key} ${language}`, () => contexts.default(language))
  }
}

function environmentOf({ id, defaults, env }: InterpretedSandbox): Env {
  return { ...defaults.env, ...env, E2B_SANDBOX: 'true', [MARKER]: id }
}

function shown({ id, language, cwd }: Context): Context {
  return { id, language, cwd }
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    // Not an encoding of anything, so nothing has this id.
    return segment
  }
}

function answer(res: ServerResponse, value: unknown): void {
  const text = JSON.stringify(value)
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  res.end(text)
}

/** In the reason phrase too: it is all that the JavaScript client shows of most errors. */
function refuse(res: ServerResponse, { status, message }: Refusal): void {
  res.writeHead(status, message.replace(/[^\x20-\x7e]/g, '?').slice(0, 200), {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(message),
    // What is left of a body that was not read is not taken for the next request.
    connection: 'close',
  })
  res.end(message)
}
