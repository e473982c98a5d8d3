import { mkdir, open, readFile, realpath, rename, rm, statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { SpawnpointError } from '@spawnpoint/core'
import { syncPath } from './durable.ts'
import { runTool, ToolFailed, unavailable } from './run-tool.ts'

const BTRFS_MAGIC = 0x9123683e
const GIB = 2 ** 30
const SMALLEST_POOL = 8 * GIB

/**
 * `nosuid` and `nodev`: a guest can make set-user-id programs and device nodes in its root; nobody on the host may get
 * at them. gVisor implements both itself. `discard=async` gives freed space back to the host's file system.
 */
const MOUNT_OPTIONS = 'noatime,nosuid,nodev,discard=async'

/** Where the pool's btrfs is. */
export interface Volume {
  /** Directory on btrfs that belongs to the pool */
  path: string
  /** Backing file and the host's file system under it; `null` where the data directory is on btrfs itself */
  imageFile: string | null
}

/**
 * Finds or makes the pool's btrfs. The loop device is attached with autoclear: it goes away by itself with the last
 * mount of it, be that in another mount namespace (a sandbox's, an earlier server's).
 */
export async function openVolume(
  dataDir: string,
  poolBytes: number | undefined,
  failpoint: (name: string) => void,
): Promise<Volume> {
  await mkdir(dataDir, { recursive: true })
  const base = await realpath(dataDir)
  const path = join(base, 'pool')
  const imageFile = join(base, 'pool.img')
  await mkdir(path, { recursive: true, mode: 0o700 })
  try {
    const hasImage = await exists(imageFile)
    if (!hasImage && (await statfs(base)).type === BTRFS_MAGIC) return { path, imageFile: null }
    if (!hasImage) await formatImage(base, imageFile, poolBytes)
    await mountImage(imageFile, path, failpoint)
    return { path, imageFile }
  } catch (error) {
    throw explain(error)
  }
}

/** Unmounts where this pool is mounted; rejects if something in this mount namespace still uses it. */
export async function closeVolume(volume: Volume): Promise<void> {
  if (!volume.imageFile) return
  if (await mountedDevice(volume.path)) await runTool('umount', [volume.path])
}

async function formatImage(dir: string, imageFile: string, poolBytes: number | undefined): Promise<void> {
  const { bavail, bsize } = await statfs(dir)
  const size = Math.max(SMALLEST_POOL, Math.floor((poolBytes ?? bavail * bsize * 0.8) / GIB) * GIB)
  // Under its final name only when whole: a process killed halfway leaves a file that the next one replaces.
  const draft = `${imageFile}.new`
  await rm(draft, { force: true })
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.truncate(size)
    // Small tree nodes: the first write after a clone or a capture copies the nodes above it, and accounting looks up
    // every block that each of them points to. With 16 KiB that stood at 80 to 280 ms, with 4 KiB at 2 to 9.
    await runTool('mkfs.btrfs', ['--quiet', '--nodiscard', '--nodesize', '4096', draft])
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, imageFile)
  await syncPath(dir)
}

async function mountImage(imageFile: string, path: string, failpoint: (name: string) => void): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const mounted = await mountedDevice(path)
    if (mounted) {
      if ((await loopDevice(imageFile)) !== mounted) throw unavailable(`${path} has another file system mounted on it`)
      await detach(mounted)
      return
    }
    const device = (await loopDevice(imageFile)) ?? (await attach(imageFile))
    failpoint('pool.open.attached')
    try {
      await runTool('mount', ['-t', 'btrfs', '-o', MOUNT_OPTIONS, device, path])
    } catch (error) {
      // A device found above may have cleared itself in between, when its last other mount went.
      if (attempt >= 3) throw error
    } finally {
      await detach(device)
    }
  }
}

async function attach(imageFile: string): Promise<string> {
  try {
    return await runTool('losetup', ['--find', '--show', '--direct-io=on', imageFile])
  } catch (error) {
    if (!(error instanceof ToolFailed)) throw error
    // A file system without direct I/O under the data directory (tmpfs before Linux 6.6), of which some kernels say no more
    // than EINVAL: cached twice, but it works. Whatever else it was is met again.
    const left = await loopDevice(imageFile)
    return left ?? (await runTool('losetup', ['--find', '--show', imageFile]))
  }
}

/** Detaches now, or, where it is mounted, sets autoclear. */
async function detach(device: string): Promise<void> {
  const auto = await readFile(`/sys/block/${basename(device)}/loop/autoclear`, 'utf8').catch(() => '1')
  // Missing file: the device is free already.
  if (auto.trim() === '0') await runTool('losetup', ['--detach', device])
}

async function loopDevice(imageFile: string): Promise<string | null> {
  const found = await runTool('losetup', ['--noheadings', '--output', 'NAME', '--associated', imageFile])
  return found.split('\n')[0]?.trim() || null
}

/** Device mounted at exactly `path` in this mount namespace. */
async function mountedDevice(path: string): Promise<string | null> {
  let device: string | null = null
  for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
    const fields = line.split(' ')
    if (unescapeOctal(fields[4] ?? '') !== path) continue
    // The last mount at a path is the one seen.
    device = unescapeOctal(fields[fields.indexOf('-') + 2] ?? '')
  }
  return device
}

/** mountinfo writes space, tab, newline and backslash as octal escapes. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

async function exists(path: string): Promise<boolean> {
  return statfs(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}

function explain(error: unknown): SpawnpointError {
  if (!(error instanceof ToolFailed))
    return unavailable(`The pool cannot be opened: ${(error as Error).message}`, error)
  if (error.missing && /^(btrfs|mkfs)/.test(error.tool)) {
    return unavailable('The pool needs btrfs-progs: apt-get install btrfs-progs', error)
  }
  if (/unknown filesystem type/.test(error.stderr))
    return unavailable('This kernel has no btrfs: modprobe btrfs', error)
  if (/must be superuser|Permission denied|Operation not permitted/i.test(error.stderr)) {
    return unavailable(`The pool needs root and loop devices: ${error.message}`, error)
  }
  return unavailable(`The pool cannot be opened: ${error.message}`, error)
}
