import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { BucketSource, RemoteReader, TeamId } from '@spawnpoint/core'
import { readTar } from '@spawnpoint/fakes'
import { environmentProxy } from '@spawnpoint/outbound'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BucketServer, ConnectProxy, selfSigned } from '../testing/index.ts'
import { type BucketReaderOptions, openBucketReaders } from './bucket-reader.ts'

/** How buckets are come by: how many at a time, and through what. */

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spawnpoint-buckets-'))
})
afterEach(() => rm(dir, { recursive: true }))

const team = (digit: string) => digit.repeat(24) as TeamId
const never = new AbortController().signal
const POLL = { timeout: 30_000, interval: 20 }
const s3 = (endpoint: string, bucket = 'data'): BucketSource => ({
  type: 's3',
  endpoint,
  region: 'eu-central-1',
  bucket,
  prefix: '',
  pathStyle: true,
})

async function s3Reader(options: Partial<BucketReaderOptions>): Promise<RemoteReader> {
  const readers = await openBucketReaders({ dir: join(dir, 'kept'), near: ['127.0.0.1'], roots: [], ...options })
  const reader = readers.find(({ type }) => type === 's3')
  if (reader === undefined) throw new Error('no reader')
  return reader
}

function asking(source: BucketSource, by: TeamId = team('1')) {
  return { source, team: by, credentials: [], known: null, maxBytes: 2 ** 30, maxChanges: 100 }
}

describe('at a time', () => {
  it('so many are read, for one team fewer, and the next when one ends, be it by its signal', async () => {
    await using server = await BucketServer.open()
    server.put('data', { file: 'x' })
    const reader = await s3Reader({ turns: { atOnce: 2, perParty: 1 }, proxy: null })
    const begun: string[] = []
    const ends = new Map<string, () => void>()
    const read = (name: string, by: TeamId, signal = never) =>
      reader.read(
        asking(s3(server.url), by),
        async (archive) => {
          await buffer(archive)
          begun.push(name)
          await new Promise<void>((resolve) => void ends.set(name, resolve))
        },
        signal,
      )
    const patience = new AbortController()
    const first = read('1a', team('1'))
    await expect.poll(() => begun, POLL).toEqual(['1a'])
    const second = read('1b', team('1'))
    const third = read('2', team('2'), patience.signal)
    const fourth = read('3', team('3'))
    await expect.poll(() => begun, POLL).toEqual(['1a', '2'])
    // Its guest takes no notice of that; the others go on all the same.
    patience.abort()
    await expect.poll(() => begun, POLL).toEqual(['1a', '2', '3'])
    ends.get('1a')?.()
    await first
    await expect.poll(() => begun, POLL).toEqual(['1a', '2', '3', '1b'])
    for (const end of ends.values()) end()
    await Promise.all([second, third, fourth])
    const gone = AbortSignal.abort()
    await expect(read('4', team('4'), gone)).rejects.toMatchObject({ code: 'cancelled' })
  })
})

describe('through a proxy', () => {
  const NAME = 'store.spawnpoint.invalid'

  async function proxied(environment: (proxy: string) => NodeJS.ProcessEnv, near: string[] = []) {
    await using open = new AsyncDisposableStack()
    const tls = selfSigned([NAME])
    const server = open.use(await BucketServer.open(tls))
    server.put('data', { file: 'x' })
    const proxy = open.use(await ConnectProxy.open(server.port))
    const reader = await s3Reader({ roots: [tls.cert], near, proxy: environmentProxy(environment(proxy.host)) })
    const read = async (endpoint: string) => {
      let archive = Buffer.alloc(0)
      const take = async (body: Readable) => {
        archive = await buffer(body)
      }
      await reader.read(asking(s3(endpoint)), take, never)
      return readTar(archive).map(({ name, data }) => `${name} ${data}`)
    }
    const stack = open.move()
    return { server, proxy, read, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  }

  it('stores with TLS are read, by names that only it knows', async () => {
    await using world = await proxied((host) => ({ HTTPS_PROXY: `http://me:secret@${host}` }))
    expect(await world.read(`https://${NAME}`)).toEqual(['file x'])
    expect(new Set(world.proxy.asked)).toEqual(new Set([`${NAME}:443`]))
    expect(world.proxy.authorization).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`)
  })

  it('nobody is asked for what this machine knows to be near, nor by such an address', async () => {
    await using world = await proxied((host) => ({ HTTPS_PROXY: `http://${host}` }))
    for (const host of ['localhost', '127.0.0.1', '10.1.2.3', '169.254.169.254', '[::ffff:10.1.2.3]'])
      await expect(world.read(`https://${host}:${world.server.port}`)).rejects.toMatchObject({ code: 'forbidden' })
    expect(world.proxy.asked).toEqual([])
  })

  it('what is on this machine is asked without it, if it is asked, and what has no TLS', async () => {
    await using world = await proxied((host) => ({ HTTPS_PROXY: `http://${host}` }), ['127.0.0.1'])
    expect(await world.read(`https://127.0.0.1:${world.server.port}`)).toEqual(['file x'])
    await using plain = await BucketServer.open()
    plain.put('data', { file: 'plain' })
    expect(await world.read(`http://localhost:${plain.port}`)).toEqual(['file plain'])
    expect(world.proxy.asked).toEqual([])
  })
})
