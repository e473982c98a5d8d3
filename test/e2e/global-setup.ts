import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { BASE_IMAGE, DebianImageBuilder } from '@spawnpoint/images-debian'
import { BASE_TAR, REPOSITORY } from './world.ts'

/** Builds the base image once and keeps it as an archive, so that each test's own server has it in seconds. */
export default async function setup(): Promise<void> {
  const recipe = createHash('sha256').update(JSON.stringify(BASE_IMAGE)).digest('hex')
  const stamp = `${BASE_TAR}.recipe`
  if (existsSync(BASE_TAR) && existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return
  const cache = join(REPOSITORY, '.cache')
  mkdirSync(dirname(BASE_TAR), { recursive: true })
  // In the checkout, not in /tmp: a tmpfs there may forbid device nodes or be too small.
  const dir = mkdtempSync(join(cache, 'base-image-'))
  const root = join(dir, 'rootfs')
  try {
    mkdirSync(root)
    process.stdout.write('building the base image for the tests…\n')
    const builder = new DebianImageBuilder({ cacheDir: join(cache, 'packages') })
    await builder.build(BASE_IMAGE.source, root, () => {}, new AbortController().signal)
    const archive = join(dir, 'base.tar')
    await promisify(execFile)('tar', [
      '--create',
      '--file',
      archive,
      '--directory',
      root,
      '--numeric-owner',
      '--xattrs',
      '--acls',
      '.',
    ])
    renameSync(archive, BASE_TAR)
    writeFileSync(stamp, recipe)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
