import type { AddressInfo } from 'node:net'
import { openFakeCore } from '@spawnpoint/fakes'
import Fastify from 'fastify'
import { openHyperbrowserDoor } from '../index.ts'

export interface Got {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
  body: any
}

/** The door over the real core on fakes, on a port of its own. */
export async function openDoorWorld() {
  const { core, host, log, failures, key, by } = await openFakeCore()
  const door = openHyperbrowserDoor({ api: core.through('hyperbrowser'), log, domain: null })
  const app = Fastify({ forceCloseConnections: true, requestTimeout: 0, routerOptions: { maxParamLength: 256 } })
  await door.register(app)
  app.server.on('upgrade', (request, socket, head) => door.upgrade(request, socket, head))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  const send = async (method: string, path: string, given?: unknown, headers: object = { 'x-api-key': key }) => {
    const body = given === undefined ? {} : { body: given instanceof Buffer ? given : JSON.stringify(given) }
    const type = { 'content-type': given instanceof Buffer ? 'application/octet-stream' : 'application/json' }
    const response = await fetch(path.startsWith('http') ? path : `${url}${path}`, {
      method,
      headers: { ...type, ...headers },
      ...body,
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return { status: response.status, body: isJson ? JSON.parse(text) : text } satisfies Got
  }
  /** Of the control plane */
  const call =
    (method: string) =>
    (path: string, body?: unknown): Promise<Got> =>
      send(method, `/hyperbrowser/api${path}`, body)
  return {
    core,
    host,
    by,
    key,
    url,
    failures,
    send,
    get: call('GET'),
    post: call('POST'),
    put: call('PUT'),
    delete: call('DELETE'),
    /** Makes a sandbox through the door. */
    sandbox: async (more: object = {}): Promise<Got['body']> =>
      (await call('POST')('/sandbox', { imageName: 'base', ...more })).body,
    /** Of the runtime API of a sandbox */
    inside: ({ id, token }: { id: string; token: string }, method: string, path: string, body?: unknown) =>
      send(method, `/sandbox/${id}${path}`, body, { authorization: `Bearer ${token}` }),
    async [Symbol.asyncDispose](): Promise<void> {
      door.close()
      await app.close()
      await core.close()
    },
  }
}

export type DoorWorld = Awaited<ReturnType<typeof openDoorWorld>>
