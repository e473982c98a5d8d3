import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { DebianImageBuilder, type KnownImage } from '@spawnpoint/images-debian'

const CACHE = resolve(import.meta.dirname, '../../.cache')

/**
 * Path of an image as a tar archive. It is built once and kept, so that each test's own server has it in seconds; building
 * takes minutes.
 */
export async function archiveOf(image: KnownImage): Promise<string> {
  const archive = join(CACHE, 'test', `${image.name}.tar`)
  const recipe = createHash('sha256').update(JSON.stringify(image)).digest('hex')
  const stamp = `${archive}.recipe`
  if (existsSync(archive) && existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return archive
  mkdirSync(join(CACHE, 'test'), { recursive: true })
  // In the checkout, not in /tmp: a tmpfs there may forbid device nodes or be too small.
  const dir = mkdtempSync(join(CACHE, `${image.name}-image-`))
  const root = join(dir, 'rootfs')
  try {
    mkdirSync(root)
    process.stdout.write(`building the image ${image.name} for the tests…\n`)
    const builder = new DebianImageBuilder({ cacheDir: join(CACHE, 'packages') })
    await builder.build(image.source, root, () => {}, new AbortController().signal)
    const made = join(dir, 'image.tar')
    const whole = ['--numeric-owner', '--xattrs', '--acls', '.']
    await promisify(execFile)('tar', ['--create', '--file', made, '--directory', root, ...whole])
    renameSync(made, archive)
    writeFileSync(stamp, recipe)
    return archive
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
