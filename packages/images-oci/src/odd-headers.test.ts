import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { withoutOddHeaders } from './odd-headers.ts'
import { tar } from './testing/tar.ts'

async function tidied(archive: Buffer): Promise<{ bytes: Buffer; found: number }> {
  let found = 0
  const pieces: Buffer[] = []
  const find = () => {
    found += 1
  }
  const source = Readable.from([archive.subarray(0, 700), archive.subarray(700)], { objectMode: false })
  for await (const piece of withoutOddHeaders(source, find)) pieces.push(piece)
  return { bytes: Buffer.concat(pieces), found }
}

describe('a layer without odd headers', () => {
  it('has everything else as it was', async () => {
    const global = { name: 'g', type: 'global', data: '52 comment=0123456789abcdef0123456789abcdef01234567\n' } as const
    const attributes = { 'user.a': 'a\nb=c', 'security.capability': Buffer.from([1, 0, 0xff, 10]) }
    const file = { name: 'file', data: Buffer.alloc(5_000, 'x'), xattrs: attributes }
    const link = { name: 'link', type: 'symlink', link: 'file', size: 77 } as const
    const [odd, plain] = [{ ...file, xattrs: { ...attributes, 'security.ima': 'i' } }, tar([file, link])]
    expect(await tidied(tar([global, odd, link]))).toEqual({ bytes: plain, found: 2 })
    expect(await tidied(plain)).toEqual({ bytes: plain, found: 0 })
  })

  it.each(['gnu', 'pax', 'ustar', 'v7'])('is any archive of tar as it was (%s)', async (format) => {
    const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-tar-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const long = format === 'v7' || format === 'ustar' ? 'short' : 'l'.repeat(200)
    writeFileSync(join(dir, long), 'long')
    writeFileSync(join(dir, 'sparse'), '')
    execFileSync('truncate', ['-s', '3M', join(dir, 'sparse')])
    const sparse = format === 'gnu' || format === 'pax' ? ['--sparse'] : []
    const archive = execFileSync('tar', ['-cf', '-', `--format=${format}`, ...sparse, '-C', dir, '.'], {
      maxBuffer: 2 ** 24,
    })
    const { bytes, found } = await tidied(archive)
    expect(found).toBe(0)
    expect(bytes.equals(archive)).toBe(true)
  })

  it('of what is no archive is what it was', async () => {
    const junk = fc.uint8Array({ maxLength: 4_000 }).map((bytes) => Buffer.from(bytes))
    await fc.assert(
      fc.asyncProperty(junk, async (bytes) => {
        const { bytes: after, found } = await tidied(bytes)
        if (found === 0) expect(after.equals(bytes)).toBe(true)
        expect(after.length).toBeLessThanOrEqual(bytes.length + 512)
      }),
    )
  })
})
