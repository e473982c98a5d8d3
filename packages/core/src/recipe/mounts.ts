import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { isCode } from '../errors.ts'
import type { Image, RunMount, RunStep } from '../model.ts'
import type { Work } from '../operations/runner.ts'
import type { BuildLog } from './build-log.ts'
import type { Builder } from './builder.ts'
import { limited } from './commands.ts'
import type { PlannedStep } from './plan.ts'
import { putAside } from './put-aside.ts'

/** Bytes of a cache, packed; one that has grown larger is not kept. */
const MAX_CACHE_BYTES = 4 * 2 ** 30
/** Milliseconds that a cache may take to be copied into the sandbox, or out of it */
const CACHE_LIMIT_MS = 10 * 60 * 1000

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
  const { files } = builder.guest
  const open: { mount: RunMount; path: string; restore: () => Promise<void> }[] = []
  for (const [index, mount] of mounts.entries()) {
    const path = posix.resolve(before.workdir, mount.target)
    const restore = await putAside(builder.guest, path, String(index))
    if (mount.held === undefined) {
      await files.mkdir(path, { parents: true, mode: mount.mode ?? 0o755, owner: 'root' })
      if (mount.owner !== undefined) await files.chown(path, mount.owner)
    } else {
      await files.mkdir(posix.dirname(path), { parents: true, owner: 'root' })
      await files.move(mount.held, path)
    }
    if (mount.cache !== null) await fetchCache(work, image, builder, mount.cache, path)
    open.push({ mount, path, restore })
  }
  await run()
  for (const { mount, path, restore } of open.reverse()) {
    if (mount.cache !== null) await keepCache(work, image, builder, log, label, mount.cache, path)
    await restore()
  }
}

async function fetchCache(work: Work<unknown>, image: Image, builder: Builder, cache: string, path: string) {
  const { blobs } = work.parts
  if (!(await blobs.has(image.teamId, keyOf(cache, path)))) return
  const { body } = await blobs.read(image.teamId, keyOf(cache, path))
  try {
    const request = { source: path.slice(1), destination: `${path}/`, owner: 'root', keepOwners: true }
    await limited(work.parts, { what: `The cache ${path}`, ms: CACHE_LIMIT_MS }, () =>
      builder.guest.files.unpack(body, request),
    )
  } finally {
    body.destroy()
  }
}

/** A cache that is too large, or takes too long, is not worth more than a warning. */
async function keepCache(
  work: Work<unknown>,
  image: Image,
  builder: Builder,
  log: BuildLog,
  label: string,
  cache: string,
  path: string,
): Promise<void> {
  try {
    await limited(work.parts, { what: `The cache ${path}`, ms: CACHE_LIMIT_MS }, async (signal) => {
      const archive = await builder.guest.files.pack(path.slice(1), { signal })
      const stop = () => archive.destroy()
      signal.addEventListener('abort', stop, { once: true })
      try {
        await work.parts.blobs.put(image.teamId, keyOf(cache, path), archive, MAX_CACHE_BYTES)
      } finally {
        signal.removeEventListener('abort', stop)
        archive.destroy()
      }
    })
  } catch (error) {
    if (!isCode(error, 'payload_too_large') && !isCode(error, 'disk_full') && !isCode(error, 'timeout')) throw error
    log.add('warn', label, `The cache ${path} is not kept: ${error.message}`)
  }
}

/** Of uploads; archives name their files by their paths, so a cache is for one path. */
function keyOf(cache: string, path: string): string {
  return `cache:${createHash('sha256')
    .update(JSON.stringify([cache, path]))
    .digest('hex')}`
}
