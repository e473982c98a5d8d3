import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { binaryDigest } from './binary-digest.ts'

const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-digest-'))
const [program, cache] = [join(dir, 'program'), join(dir, 'cache/binary.json')]
afterAll(() => rmSync(dir, { recursive: true }))
beforeEach(() => {
  rmSync(join(dir, 'cache'), { recursive: true, force: true })
  writeFileSync(program, 'first')
})

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('the digest of a program', () => {
  it('is that of its content, and not counted again while the file stays', async () => {
    expect(await binaryDigest(program, cache)).toBe(sha256('first'))
    writeFileSync(cache, readFileSync(cache, 'utf8').replace(sha256('first'), 'as kept'))
    expect(await binaryDigest(program, cache)).toBe('as kept')
  })

  it('is counted again for content that was changed, whatever times and size say, and for another file', async () => {
    await binaryDigest(program, cache)
    const { atime, mtime } = statSync(program)
    writeFileSync(program, 'other')
    utimesSync(program, atime, mtime)
    expect(await binaryDigest(program, cache)).toBe(sha256('other'))
    writeFileSync(join(dir, 'new'), 'third')
    renameSync(join(dir, 'new'), program)
    expect(await binaryDigest(program, cache)).toBe(sha256('third'))
  })

  it('is counted again where what was kept cannot be read', async () => {
    for (const text of ['', '{"identity":', 'null', '{"identity":1,"digest":2}']) {
      await binaryDigest(program, cache)
      writeFileSync(cache, text)
      expect(await binaryDigest(program, cache)).toBe(sha256('first'))
    }
  })

  it('is refused for what is not there', async () => {
    await expect(binaryDigest(join(dir, 'none'), cache)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
