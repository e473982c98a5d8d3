import { spawn } from 'node:child_process'
import type { Stats } from 'node:fs'
import { chmod, lstat, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runConfined } from '@spawnpoint/confined'
import { SpawnpointError } from '@spawnpoint/core'
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
  await makeMountPoints(dir)
}

/**
 * The runtime gives each sandbox its own `/dev`: nodes of a stranger's are of no use, and where the pool is no mount of its own
 * nothing else would keep a sandbox from the devices of the host.
 */
export function removeDevices(dir: string): Promise<void> {
  return remove(dir, '(', '-type', 'b', '-o', '-type', 'c', ')')
}

/** Of what unpacking has left that did not come to its end. */
export function emptyDirectory(dir: string): Promise<void> {
  return remove(dir, '-mindepth', '1')
}

/** `find` follows no link and stays on the file system. */
async function remove(dir: string, ...which: string[]): Promise<void> {
  const child = spawn('find', ['-P', dir, '-xdev', ...which, '-delete'], { stdio: 'ignore' })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code === 0) return
  const detail = `find ended with status ${code}`
  throw new SpawnpointError('runtime_failed', 'Could not unpack the image: files cannot be removed', {
    step: 'unpack the image',
    detail,
  })
}

/** Where the runtime mounts something, the agent's own place among them. */
const MOUNT_POINTS = ['.spawnpoint', 'dev', 'proc', 'run', 'sys']
/** Where everybody may write, also in an engine that mounts nothing there and runs what we push. */
const SHARED_MODE = 0o1777

/**
 * Directories, whatever the image has there: the runtime refuses a file or a link to nowhere. Nothing is followed: the
 * places are in the image's own top, or in a directory that is none but itself.
 */
async function makeMountPoints(dir: string): Promise<void> {
  for (const name of MOUNT_POINTS) await makeDirectory(join(dir, name))
  await makeDirectory(join(dir, 'tmp'), SHARED_MODE)
  if ((await lstatOrNull(join(dir, 'var'))) === null) await makeDirectory(join(dir, 'var'))
  if ((await lstatOrNull(join(dir, 'var')))?.isDirectory()) await makeDirectory(join(dir, 'var/tmp'), SHARED_MODE)
}

async function makeDirectory(path: string, mode = 0o755): Promise<void> {
  const stat = await lstatOrNull(path)
  if (stat?.isDirectory()) return
  if (stat !== null) await rm(path)
  await mkdir(path)
  await chmod(path, mode)
}

async function lstatOrNull(path: string): Promise<Stats | null> {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
}
