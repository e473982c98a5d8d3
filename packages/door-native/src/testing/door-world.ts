import type { AddressInfo } from 'node:net'
import type { Guest } from '@spawnpoint/core'
import { openFakeCore } from '@spawnpoint/fakes'
import Fastify from 'fastify'
import { type ClientOptions, WebSocket } from 'ws'
import { createNativeUpgradeHandler, registerNativeDoor } from '../index.ts'

export type DoorWorld = Awaited<ReturnType<typeof openDoorWorld>>

interface Init {
  headers?: Record<string, string>
  body?: NonNullable<RequestInit['body']>
  signal?: AbortSignal
  duplex?: 'half'
}

/** The door over the real core on fakes, on a port of its own. */
export async function openDoorWorld() {
  const fake = await openFakeCore()
  const { core, host, runtime, log, failures, key, by } = fake
  const app = Fastify({ forceCloseConnections: true, requestTimeout: 0, routerOptions: { maxParamLength: 512 } })
  await registerNativeDoor(app, { api: core.through('native'), log, version: '1.2.3', checkAnswers: true })
  const upgrade = createNativeUpgradeHandler({ api: core.through('native'), log })
  app.server.on('upgrade', upgrade)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  const withKey = (more: Record<string, string> = {}) => ({ authorization: `Bearer ${key}`, ...more })
  const call = (method: string, path: string, { headers, ...init }: Init = {}): Promise<Response> =>
    fetch(`${url}/v1${path}`, { ...init, method, headers: withKey(headers) })
  return {
    host,
    runtime,
    core,
    key,
    by,
    app,
    url,
    port,
    failures,
    withKey,
    call,
    get: (path: string, headers: Record<string, string> = {}) => call('GET', path, { headers }),
    post: (path: string, body?: unknown, headers: Record<string, string> = {}) =>
      body === undefined
        ? call('POST', path, { headers })
        : call('POST', path, {
            headers: { 'content-type': 'application/json', ...headers },
            body: JSON.stringify(body),
          }),
    /** Makes a sandbox and answers its id. */
    sandbox: async (): Promise<string> => (await (await core.sandboxes.create(by, { image: 'base' })).done).id,
    guest: async (id: string): Promise<Guest> => (await core.sandboxes.guest(by, id)).guest,
    socket: (path: string, options: ClientOptions = { headers: withKey() }, protocols: string[] = []) =>
      new WebSocket(`ws://127.0.0.1:${port}/v1${path}`, protocols, options),
    async [Symbol.asyncDispose](): Promise<void> {
      await upgrade.close()
      await app.close()
      await core.close()
    },
  }
}

// biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
export async function jsonOf(response: Response): Promise<any> {
  return response.json()
}

/** Status and body of an answer. */
// biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
export async function seen(response: Response): Promise<[number, any]> {
  const text = await response.text()
  return [response.status, text === '' ? null : JSON.parse(text)]
}

/** Parsed lines of an ndjson answer, as they come. */
// biome-ignore lint/suspicious/noExplicitAny: lines of all shapes, which the tests then look at
export async function* linesOf(response: Response): AsyncGenerator<any> {
  let rest = ''
  for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') yield JSON.parse(line)
  }
}

export interface SentEvent {
  id: string | undefined
  event: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: data of all shapes, which the tests then look at
  data: any
}

/** Server-sent events of an answer, as they come. */
export async function* eventsOf(response: Response): AsyncGenerator<SentEvent> {
  let rest = ''
  for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const field = (name: string) => block.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1]
      yield { id: field('id'), event: field('event'), data: JSON.parse(field('data') ?? 'null') }
    }
  }
}
