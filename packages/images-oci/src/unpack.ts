import { spawn } from 'node:child_process'
import { lstat, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SpawnpointError } from '@spawnpoint/core'
import { runConfined } from './confined.ts'
import { limitMet } from './limits.ts'

/** What it takes to give files their owners, modes, attributes and kinds, whoever they belong to. */
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP', 'MKNOD'].map((name) => `CAP_${name}`)

/** Unpacks the layout's image into the empty directory `dir` with umoci, which sees nothing but the two. */
export async function unpackLayout(
  layout: string,
  dir: string,
  limits: { maxBytes: number; timeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  await runConfined({
    step: 'unpack the image',
    program: 'umoci',
    args: ['raw', 'unpack', '--image', '/image:image', '/rootfs'],
    readable: [['/image', layout]],
    writable: [['/rootfs', dir]],
    capabilities: CAPABILITIES,
    fileBytes: limits.maxBytes,
    timeoutMs: limits.timeoutMs,
    signal,
  }).catch((error: unknown) => {
    throw limitMet(error, limits.maxBytes)
  })
  await removeDevices(dir)
  await makeMountPoint(join(dir, '.spawnpoint'))
}

/**
 * The runtime gives each sandbox its own `/dev`. `find` follows no link and stays on the file system; the nodes were never
 * of use, since the pool is mounted without devices.
 */
async function removeDevices(dir: string): Promise<void> {
  const args = ['-P', dir, '-xdev', '(', '-type', 'b', '-o', '-type', 'c', ')', '-delete']
  const child = spawn('find', args, { stdio: 'ignore' })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code === 0) return
  const detail = `find ended with status ${code}`
  throw new SpawnpointError('runtime_failed', 'Could not unpack the image: device nodes stay', {
    step: 'unpack the image',
    detail,
  })
}

/** Where the agent is mounted: a directory, whatever the image has there. The place before it is the image's own top. */
async function makeMountPoint(path: string): Promise<void> {
  const stat = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (stat?.isDirectory()) return
  if (stat !== null) await rm(path)
  await mkdir(path, { mode: 0o755 })
}
