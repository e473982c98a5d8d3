import { request } from 'node:http'
import { Hyperbrowser } from '@hyperbrowser/sdk'
import { expect } from 'vitest'
import { World } from '../../e2e/world.ts'
import { until } from '../vendor-world.ts'

export type Sandbox = Awaited<ReturnType<Hyperbrowser['sandboxes']['create']>>

/** A server with the image `base`, and the vendor's client set to it. */
export class HyperWorld implements AsyncDisposable {
  readonly world: World
  readonly client: Hyperbrowser

  private constructor(world: World) {
    this.world = world
    this.client = new Hyperbrowser({ apiKey: world.key, baseUrl: `${world.url}/hyperbrowser` })
  }

  static async start(): Promise<HyperWorld> {
    return new HyperWorld(await World.start())
  }

  create(more: object = {}): Promise<Sandbox> {
    return this.client.sandboxes.create({ imageName: 'base', ...more })
  }

  /** Waits until the snapshot can be used. */
  created(snapshotId: string): Promise<void> {
    return until(async () => {
      const { snapshots } = await this.client.sandboxes.listSnapshots({ limit: 200 })
      return snapshots.find(({ id }) => id === snapshotId)?.status === 'created'
    })
  }

  /** As newer clients ask, which send more than this one knows. */
  async call<T>(path: string, body: object): Promise<{ status: number; body: T }> {
    const response = await fetch(`${this.world.url}/hyperbrowser/api${path}`, {
      method: 'POST',
      headers: { 'x-api-key': this.world.key, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as T }
  }

  /** As a browser or curl would, with a name that needs no resolver. */
  fetchPort(sandbox: Sandbox, port: number, path = '/', headers: Record<string, string> = {}) {
    const { host } = new URL(sandbox.getExposedUrl(port))
    return new Promise<{ status: number; body: string; headers: Record<string, unknown> }>((resolve, reject) => {
      const to = new URL(this.world.url)
      const sent = request({ host: to.hostname, port: to.port, path, headers: { host, ...headers } }, (response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }))
      })
      sent.on('error', reject)
      sent.end()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]()
  }
}

export async function sh(sandbox: Sandbox, command: string): Promise<string> {
  const result = await sandbox.exec(command)
  expect([result.exitCode, result.stderr]).toEqual([0, ''])
  return result.stdout.trim()
}
