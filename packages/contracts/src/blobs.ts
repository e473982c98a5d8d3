import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type Blobs, newId, type TeamId } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

export interface BlobsUnderTest extends AsyncDisposable {
  /** Opened */
  blobs: Blobs
  /** Closes `blobs` and opens another on the same store; `blobs` is that one afterwards. */
  reopen(): Promise<void>
}

const MAX = 2 ** 20

/** What every `Blobs` must do. The suite makes one store and gives each test a team of its own. */
export function blobsContract(name: string, make: () => Promise<BlobsUnderTest>): void {
  describe(`blobs contract: ${name}`, () => {
    let subject: BlobsUnderTest
    beforeAll(async () => {
      subject = await make()
    })
    afterAll(async () => {
      await subject?.[Symbol.asyncDispose]()
    })

    const put = (team: TeamId, key: string, data: Buffer, max = MAX) =>
      subject.blobs.put(team, key, Readable.from([data.subarray(0, 10), data.subarray(10)]), max)
    const get = async (team: TeamId, key: string) => buffer((await subject.blobs.read(team, key)).body)

    it('give back what was put, also to the next server', async () => {
      const team = newId<TeamId>()
      const data = randomBytes(300_000)
      const key = `sha256:${createHash('sha256').update(data).digest('hex')}`
      expect(await subject.blobs.has(team, key)).toBe(false)
      expect(await put(team, key, data)).toEqual({ sizeBytes: data.length })
      await subject.reopen()
      expect(await subject.blobs.has(team, key)).toBe(true)
      expect(await get(team, key)).toEqual(data)
      const { sizeBytes, body } = await subject.blobs.read(team, key)
      // What nobody reads holds on to its file.
      body.destroy()
      expect(sizeBytes).toBe(data.length)
    })

    it('refuse content of another digest, and keep what was there', async () => {
      const team = newId<TeamId>()
      const data = Buffer.from('the content that was promised')
      const key = `sha256:${createHash('sha256').update(data).digest('hex')}`
      await put(team, key, data)
      await expect(put(team, key, Buffer.from('something else altogether'))).rejects.toMatchObject({
        code: 'invalid_argument',
      })
      expect(await get(team, key)).toEqual(data)
    })

    it('refuse what is too large, and what breaks off, and keep what was there', async () => {
      const team = newId<TeamId>()
      await put(team, 'x:a', Buffer.from('before'))
      await expect(put(team, 'x:a', Buffer.alloc(101), 100)).rejects.toMatchObject({ code: 'payload_too_large' })
      const broken = Readable.from(
        (async function* () {
          yield Buffer.from('half')
          throw new Error('connection lost')
        })(),
      )
      await expect(subject.blobs.put(team, 'x:a', broken, MAX)).rejects.toThrow('connection lost')
      expect((await get(team, 'x:a')).toString()).toBe('before')
      expect(await put(team, 'x:b', Buffer.alloc(100), 100)).toEqual({ sizeBytes: 100 })
    })

    it('replace whole; a reader goes on with what it was opened on', async () => {
      const team = newId<TeamId>()
      const first = randomBytes(200_000)
      await put(team, 'x:a', first)
      const { body } = await subject.blobs.read(team, 'x:a')
      await put(team, 'x:a', Buffer.from('second'))
      expect((await get(team, 'x:a')).toString()).toBe('second')
      await subject.blobs.delete(team, 'x:a')
      expect(await buffer(body)).toEqual(first)
    })

    it('mean nothing to another team, and nothing once deleted', async () => {
      const [team, other] = [newId<TeamId>(), newId<TeamId>()]
      await put(team, 'x:a', Buffer.from('mine'))
      expect(await subject.blobs.has(other, 'x:a')).toBe(false)
      await expect(subject.blobs.read(other, 'x:a')).rejects.toMatchObject({ code: 'not_found' })
      await subject.blobs.delete(other, 'x:a')
      expect((await get(team, 'x:a')).toString()).toBe('mine')
      for (let time = 0; time < 2; time += 1) await subject.blobs.delete(team, 'x:a')
      expect(await subject.blobs.has(team, 'x:a')).toBe(false)
    })

    it('are removed once nothing has used them for long', async () => {
      const team = newId<TeamId>()
      await put(team, 'x:a', Buffer.from('old'))
      expect(await subject.blobs.prune(new Date(Date.now() - 3_600_000))).toEqual({ removed: 0 })
      expect(await subject.blobs.has(team, 'x:a')).toBe(true)
      await subject.blobs.prune(new Date(Date.now() + 3_600_000))
      expect(await subject.blobs.has(team, 'x:a')).toBe(false)
    })
  })
}
