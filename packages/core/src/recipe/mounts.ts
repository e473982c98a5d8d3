import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { isCode } from '../errors.ts'
import type { Image, RunMount, RunStep } from '../model.ts'
import type { Work } from '../operations/runner.ts'
import type { Guest } from '../ports/index.ts'
import type { BuildLog } from './build-log.ts'
import type { Builder } from './builder.ts'
import type { PlannedStep } from './plan.ts'

/** Bytes of a cache, packed; one that has grown larger is not kept. */
const MAX_CACHE_BYTES = 4 * 2 ** 30

/**
 * Runs a command with directories that are there for it alone. What is in the image at their places is put aside meanwhile.
 * A cache comes out of the team's uploads and goes back there if the command succeeds; of builds at the same time the last
 * one's is kept. If the command fails, the builder's files go anyway.
 */
export async function withMounts(
  work: Work<unknown>,
  image: Image,
  builder: Builder,
  log: BuildLog,
  { label, before }: PlannedStep,
  { mounts = [] }: RunStep,
  run: () => Promise<void>,
): Promise<void> {
  const { blobs } = work.parts
  const { files } = builder.guest
  const open: { mount: RunMount; path: string; aside: string | null }[] = []
  for (const [index, mount] of mounts.entries()) {
    const path = posix.resolve(before.workdir, mount.target)
    const aside = (await isThere(builder.guest, path)) ? `${path}.aside-${index}` : null
    if (aside !== null) await files.move(path, aside)
    await files.mkdir(path, { parents: true, mode: mount.mode ?? 0o755, owner: 'root' })
    if (mount.owner !== undefined) await files.chown(path, mount.owner)
    if (mount.cache !== null && (await blobs.has(image.teamId, keyOf(mount.cache, path)))) {
      const { body } = await blobs.read(image.teamId, keyOf(mount.cache, path))
      try {
        const request = { source: path.slice(1), destination: `${path}/`, owner: 'root', keepOwners: true }
        await files.unpack(body, request)
      } finally {
        body.destroy()
      }
    }
    open.push({ mount, path, aside })
  }
  await run()
  for (const { mount, path, aside } of open.reverse()) {
    if (mount.cache !== null) {
      const archive = await files.pack(path.slice(1))
      try {
        await blobs.put(image.teamId, keyOf(mount.cache, path), archive, MAX_CACHE_BYTES)
      } catch (error) {
        if (!isCode(error, 'payload_too_large') && !isCode(error, 'disk_full')) throw error
        log.add('warn', label, `The cache ${path} is not kept: ${error.message}`)
      } finally {
        archive.destroy()
      }
    }
    await files.remove(path, { recursive: true })
    // A place that was not there stays, as with Docker.
    if (aside === null) await files.mkdir(path, { owner: 'root' })
    else await files.move(aside, path)
  }
}

/** Of uploads; archives name their files by their paths, so a cache is for one path. */
function keyOf(cache: string, path: string): string {
  return `cache:${createHash('sha256')
    .update(JSON.stringify([cache, path]))
    .digest('hex')}`
}

async function isThere({ files }: Guest, path: string): Promise<boolean> {
  try {
    await files.stat(path)
    return true
  } catch (error) {
    if (isCode(error, 'guest_error') && error.context.errno === 'ENOENT') return false
    throw error
  }
}
