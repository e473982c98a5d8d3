import type { AddressInfo } from 'node:net'
import type { CoreConfig } from '@spawnpoint/core'
import { openFakeCore } from '@spawnpoint/fakes'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import { createLangsmithUpgradeHandler, LangsmithLeases, registerLangsmithDoor } from '../index.ts'

export interface Got {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the tests then look at
  body: any
}

/** The door over the real core on fakes, on a port of its own. */
export async function openDoorWorld(domain: string | null = null, config: Partial<CoreConfig> = {}) {
  const { core, host, runtime, log, failures, key, by } = await openFakeCore(config)
  const app = Fastify({ forceCloseConnections: true, requestTimeout: 0, routerOptions: { maxParamLength: 256 } })
  const leases = new LangsmithLeases()
  await registerLangsmithDoor(app, { api: core.through('langsmith'), log, domain, tls: false, leases })
  const upgrade = createLangsmithUpgradeHandler({ api: core.through('langsmith'), log, leases })
  app.server.on('upgrade', upgrade)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  const send = async (method: string, path: string, init: RequestInit = {}): Promise<Got> => {
    const at = path.startsWith('http') ? path : `${url}/langsmith/v2/sandboxes${path}`
    const response = await fetch(at, {
      redirect: 'manual',
      ...init,
      method,
      headers: { 'x-api-key': key, ...init.headers },
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }
  const json = (method: string) => (path: string, body?: unknown) =>
    body === undefined
      ? send(method, path)
      : send(method, path, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  return {
    core,
    host,
    runtime,
    by,
    key,
    url,
    failures,
    upgrade,
    send,
    get: json('GET'),
    post: json('POST'),
    patch: json('PATCH'),
    delete: json('DELETE'),
    /** Makes a box through the door and answers what a client is told of it. */
    box: async (body: object = {}): Promise<Got['body']> => (await json('POST')('/boxes', body)).body,
    socket: (id: string, headers: Record<string, string> = { 'x-api-key': key }) =>
      new WebSocket(`ws://127.0.0.1:${port}/langsmith/v2/sandboxes/${id}/execute/ws`, { headers }),
    async [Symbol.asyncDispose](): Promise<void> {
      await upgrade.close()
      await app.close()
      await core.close()
    },
  }
}

export type DoorWorld = Awaited<ReturnType<typeof openDoorWorld>>
