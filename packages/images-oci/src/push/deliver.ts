import { createReadStream } from 'node:fs'
import { lstat, mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runConfined } from '@spawnpoint/confined'
import {
  type ArchiveReference,
  type ArchiveTarget,
  type BuildProgress,
  formatImageReference,
  invalidArgument,
  isCode,
} from '@spawnpoint/core'
import type { LayoutWriter } from '../layout.ts'
import { limitMet } from '../limits.ts'
import type { Descriptor } from '../manifest.ts'
import { RegistryClient } from '../registry/registry-client.ts'
import { RegistrySession } from '../registry/session.ts'

export interface Delivery {
  layout: LayoutWriter
  /** The manifest's own bytes and what it names */
  manifest: Descriptor & { bytes: Buffer }
  blobs: Descriptor[]
}

export interface DeliverOptions {
  /** Where files go, and where they are made; on one file system */
  exportsDir: string
  workDir: string
  timeoutMs: number
  pauseMs: number
  report: (progress: BuildProgress) => void
  signal: AbortSignal
}

const UPLOAD_ATTEMPTS = 4

/** Puts what a layout holds where the target says. */
export async function deliver(delivery: Delivery, target: ArchiveTarget, options: DeliverOptions): Promise<void> {
  const { reference } = target
  if (reference.transport !== 'registry') return toFile(delivery, reference, options)
  const { signal, report } = options
  using session = new RegistrySession(reference, target.access, 'pull,push', signal)
  const client = new RegistryClient(session)
  const total = delivery.blobs.reduce((sum, { size }) => sum + size, 0)
  let done = 0
  for (const blob of delivery.blobs) {
    const path = delivery.layout.path(blob.digest)
    await again(options, async () => {
      let sent = 0
      await client.putBlob(blob, () => {
        sent = 0
        return createReadStream(path, { highWaterMark: 2 ** 20 }).on('data', (piece) => {
          sent += piece.length
          report({ step: 'upload', fraction: Math.min(1, (done + sent) / Math.max(1, total)), line: null })
        })
      })
    })
    done += blob.size
  }
  await again(options, () => client.putManifest(delivery.manifest.bytes, delivery.manifest.mediaType))
  report({ step: 'upload', fraction: 1, line: `${formatImageReference(reference)} ${delivery.manifest.digest}` })
}

/** Rejects `invalid_argument` if the name is taken. Made where nobody looks, and then renamed. */
async function toFile(
  { layout, manifest }: Delivery,
  { transport, name, select }: ArchiveReference,
  options: DeliverOptions,
): Promise<void> {
  const { exportsDir, workDir, timeoutMs, report, signal } = options
  await mkdir(exportsDir, { recursive: true, mode: 0o700 })
  await mustBeFree(exportsDir, name)
  report({ step: 'write', fraction: null, line: null })
  await layout.finish(manifest, transport === 'docker-archive' ? 'image' : (select ?? 'latest'))
  let made = layout.dir
  if (transport !== 'oci') {
    const out = join(workDir, 'out')
    await mkdir(out, { mode: 0o700 })
    made = join(out, 'archive.tar')
    const copied = select === null ? '' : `:${/:[^/]*$/.test(select) ? select : `${select}:latest`}`
    await runConfined({
      step: 'write the archive',
      ...(transport === 'oci-archive'
        ? { program: 'tar', args: ['--create', '--file=/out/archive.tar', '--directory=/layout', '--sort=name', '.'] }
        : {
            program: 'skopeo',
            args: [
              ...['--insecure-policy', '--tmpdir', '/out', 'copy', '--quiet'],
              ...['oci:/layout:image', `docker-archive:/out/archive.tar${copied}`],
            ],
          }),
      readable: [['/layout', layout.dir]],
      writable: [['/out', out]],
      capabilities: [],
      fileBytes: Number.MAX_SAFE_INTEGER,
      timeoutMs,
      signal,
    }).catch((error: unknown) => {
      throw limitMet(error, Number.MAX_SAFE_INTEGER)
    })
  }
  await mustBeFree(exportsDir, name)
  await rename(made, join(exportsDir, name))
}

async function mustBeFree(dir: string, name: string): Promise<void> {
  const there = await lstat(join(dir, name)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (there !== null) throw invalidArgument('reference', `${name} exists already in the exports directory`)
}

async function again(
  { pauseMs, signal }: Pick<DeliverOptions, 'pauseMs' | 'signal'>,
  run: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run()
    } catch (error) {
      signal.throwIfAborted()
      if (!isCode(error, 'unavailable') || attempt >= UPLOAD_ATTEMPTS) throw error
    }
    await sleep(pauseMs * 2 ** attempt, undefined, { signal })
  }
}
