import type { AddressInfo } from 'node:net'
import { openFakeCore } from '@spawnpoint/fakes'
import Fastify from 'fastify'
import { registerBrimbleDoor } from '../index.ts'

/** The door over the real core on fakes, on a port of its own, with the template `base`. */
export async function openDoorWorld() {
  const { core, log, failures, key, by } = await openFakeCore()
  const source = { type: 'tar', path: 'base.tar' } as const
  await (await core.images.build(by, { name: 'base', source })).done
  const app = Fastify({ forceCloseConnections: true, requestTimeout: 0, routerOptions: { maxParamLength: 4096 } })
  await registerBrimbleDoor(app, { api: core.through('brimble'), log, domain: null })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo

  const send = async (method: string, path: string, given?: unknown, headers: Record<string, string> = {}) => {
    const body = given === undefined ? {} : { body: given instanceof Buffer ? given : JSON.stringify(given) }
    const type = given === undefined ? {} : { 'content-type': given instanceof Buffer ? BYTES : 'application/json' }
    const response = await fetch(`http://127.0.0.1:${port}/brimble${path}`, {
      method,
      headers: { 'x-brimble-key': key, ...type, ...headers },
      ...body,
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
    const answer: any = isJson ? JSON.parse(text) : text
    return { status: response.status, answer, data: answer?.data }
  }
  return {
    core,
    by,
    failures,
    port,
    send,
    get: (path: string) => send('GET', path),
    post: (path: string, body?: unknown, headers?: Record<string, string>) => send('POST', path, body, headers),
    async [Symbol.asyncDispose](): Promise<void> {
      await app.close()
      await core.close()
    },
  }
}

const BYTES = 'application/octet-stream'

export type DoorWorld = Awaited<ReturnType<typeof openDoorWorld>>
