import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { unpacked } from './unpacked.ts'

const content = Buffer.concat([randomBytes(300_000), Buffer.alloc(3_000_000)])

it.each(['bzip2', 'xz', 'zstd'] as const)(
  'what is packed with %s is unpacked, whole or with an error',
  async (packing) => {
    const packed = execFileSync(packing, ['--stdout'], { input: content, maxBuffer: 2 ** 24 })
    const plain = Buffer.concat(await unpacked(packing, Readable.from([packed])).toArray())
    expect(plain.equals(content)).toBe(true)
    for (const broken of [packed.subarray(0, -100), Buffer.concat([packed.subarray(0, 200_000), randomBytes(9_000)])]) {
      await expect(unpacked(packing, Readable.from([broken])).toArray()).rejects.toMatchObject({
        code: 'runtime_failed',
      })
    }
  },
)

it('what cannot be unpacked is told to who reads it, also if that is long over', async () => {
  const stream = unpacked('xz', Readable.from([Buffer.from('no xz')]))
  await expect.poll(() => stream.errored).not.toBeNull()
  await expect(stream.toArray()).rejects.toMatchObject({ code: 'runtime_failed' })
})

it('nothing runs on for a stream that nobody wants any more', async () => {
  const endless = new Readable({ read: () => {} })
  const stream = unpacked('xz', endless)
  stream.destroy()
  await expect.poll(() => endless.destroyed).toBe(true)
})
