import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { newId, type TokensApi } from '@spawnpoint/core'
import { afterEach, beforeEach, expect } from 'vitest'
import { type InterpretedSandbox, Interpreter } from '../service.ts'
import { FakeJupyter } from './fake-jupyter.ts'

const tokens: TokensApi = {
  issue: (purpose, subject) => `${purpose} ${subject}`,
  issueFor: async (_by, purpose, subject) => `${purpose} ${subject}`,
  verify: (purpose, subject, token) => token === `${purpose} ${subject}`,
}

/** What `{"type":"end_of_execution"}` is read as. */
export const END = { type: 'end_of_execution' }

/** The interpreter's own server over a Jupyter that is none, anew for each test of a file. */
export class ServedInterpreter {
  jupyter = new FakeJupyter()
  sandbox!: InterpretedSandbox
  url = ''
  warnings = 0
  /** What the record of the sandbox says */
  ending = false
  /** Answers that have ended or were given up */
  closed = 0
  #server: Server | null = null

  static forEachTest(): ServedInterpreter {
    const served = new ServedInterpreter()
    beforeEach(() => served.#start())
    afterEach(() => served.#stop())
    return served
  }

  async #start(): Promise<void> {
    this.jupyter = new FakeJupyter()
    this.warnings = 0
    this.ending = false
    this.closed = 0
    this.sandbox = {
      id: newId(),
      incarnationId: newId(),
      defaults: { env: {}, user: 'user', workdir: '/home/user', startCommand: [] },
      env: { MINE: 'own' },
      ingress: { default: 'open', ports: { 49983: 'open' }, hostHeader: null },
    }
    const warn = () => {
      this.warnings += 1
    }
    const interpreter = new Interpreter({ tokens, log: { warn, error: warn }, isEnding: async () => this.ending })
    const { sandbox, jupyter } = this
    const server = createServer((req, res) => {
      res.once('close', () => {
        this.closed += 1
      })
      interpreter
        .request({ req, res, sandbox, guest: async () => ({ sandbox, guest: jupyter.inside }) })
        .catch(() => res.destroy())
    })
    this.#server = server
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  #stop(): void {
    this.#server?.closeAllConnections()
    this.#server?.close()
    this.jupyter.close()
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + path, { method: 'POST', body: JSON.stringify(body), headers })
  }
}

/** What it says; unchecked, as a client of another language would take it. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the test expects of it fails by itself where it is not so
export const json = async (answer: Promise<Response>): Promise<any> => (await answer).json()

export async function lines(answer: Promise<Response>): Promise<Record<string, unknown>[]> {
  const response = await answer
  expect(response.status).toBe(200)
  const text = await response.text()
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}
