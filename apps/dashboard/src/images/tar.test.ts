import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { tarOf } from './tar.ts'

it('is an archive that tar unpacks, whatever the names', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'spawnpoint-tar-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const modifiedAt = new Date('2026-11-22T10:00:00Z')
  const texts: Record<string, string> = {
    Dockerfile: 'FROM base\n',
    'empty.txt': '',
    [`src/${'deep/'.repeat(30)}Größe.py`]: 'x'.repeat(5_000),
    [`${'n'.repeat(99)}`]: 'a',
    [`${'m'.repeat(100)}`]: 'b',
  }
  const files = Object.entries(texts).map(([path, text]) => ({ path, content: new Blob([text]), modifiedAt }))
  const archive = Buffer.from(await tarOf(files).arrayBuffer())
  expect(archive.length % 512).toBe(0)
  execFileSync('tar', ['-xf', '-', '-C', directory], { input: archive })
  for (const [path, text] of Object.entries(texts)) expect(readFileSync(join(directory, path), 'utf8')).toBe(text)
  expect(execFileSync('tar', ['-tvf', '-', '--utc'], { input: archive, encoding: 'utf8' })).toMatch(
    /^-rwxr-xr-x 0\/0 +10 2026-11-22 10:00(:00)? Dockerfile$/m,
  )
})
