import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { BucketSource, RemoteReader, TeamId } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { BucketServer } from '../testing/index.ts'
import { openBucketReaders } from './bucket-reader.ts'

it('of objects that may be listed and not read says so, also to who takes its time to read it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'spawnpoint-archive-'))
  await using server = await BucketServer.open()
  server.put('data', { secret: 'x' })
  server.refuses = ({ target }) => target.includes('secret')
  const readers: RemoteReader[] = await openBucketReaders({ dir, near: ['127.0.0.1'], roots: [] })
  const reader = readers.find(({ type }) => type === 's3') as RemoteReader
  const place = { endpoint: server.url, region: 'eu-central-1', bucket: 'data', prefix: '', pathStyle: true }
  const source: BucketSource = { type: 's3', ...place }
  const team = '1'.repeat(24) as TeamId
  const ask = { source, team, credentials: [], known: null, maxBytes: 2 ** 30, maxChanges: 100 }
  const take = async (body: Readable) => {
    await expect.poll(() => body.errored).not.toBeNull()
    await buffer(body)
  }
  await expect(reader.read(ask, take, new AbortController().signal)).rejects.toMatchObject({ code: 'forbidden' })
  await rm(dir, { recursive: true })
})
