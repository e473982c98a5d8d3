import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { chmod, lstat, mkdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { FileInfo, Sandbox } from 'spawnpoint'
import { UsageError } from '../exit.ts'
import { printable } from '../output/printable.ts'
import { inParallel } from './in-parallel.ts'
import type { Copied } from './upload.ts'

/** Levels of directories copied; the API's own limit. */
const DEPTH = 64

/**
 * Copies a file or directory out of a sandbox. As `cp -r`: into the target if that is a directory, else to its name;
 * `DIR/.` means what is in it. The guest is not trusted: names that lead out of the target are refused, nothing is written
 * through a link, and set-id bits are dropped.
 */
export async function download(sandbox: Sandbox, from: string, to: string, user: string | undefined): Promise<Copied> {
  if (to === '-') {
    await pipeline(sandbox.files.readStream(from, { user }), process.stdout, { end: false })
    return { files: 1, bytes: 0 }
  }
  const source = await sandbox.files.stat(from, { user })
  const contents = from.endsWith('/.') || from === '.'
  const name = basename(source.path) || 'root'
  const intoDirectory = to.endsWith('/') || (await isDirectory(to))
  const target = contents || !intoDirectory ? to : join(to, safeName(name))
  if (source.type !== 'directory') {
    if (source.type !== 'file') {
      // Such as a link to a file, or a device: its content is what is wanted.
      return { files: 1, bytes: await fetchFile(sandbox, from, target, 0o644, user) }
    }
    return { files: 1, bytes: await fetchFile(sandbox, from, target, source.mode, user) }
  }
  return fetchTree(sandbox, source, target, user)
}

async function fetchTree(sandbox: Sandbox, root: FileInfo, to: string, user: string | undefined): Promise<Copied> {
  const copied: Copied = { files: 0, bytes: 0 }
  const entries = await sandbox.files.list(root.path, { user, depth: DEPTH })
  await makeDirectory(to)
  const files: { info: FileInfo; path: string }[] = []
  const links: { target: string; path: string }[] = []
  const directories: { mode: number; path: string }[] = []
  // Sorted by path, so a directory comes before what is in it.
  for (const info of entries) {
    const path = join(to, ...safeParts(root.path, info.path))
    if (info.type === 'directory') {
      await makeDirectory(path)
      directories.push({ mode: info.mode & 0o777, path })
    } else if (info.type === 'file') files.push({ info, path })
    else if (info.type === 'symlink' && info.symlinkTarget !== null) links.push({ target: info.symlinkTarget, path })
    else process.stderr.write(`spawnpoint: ${printable(info.path)}: left out, it is a ${info.type}\n`)
  }
  await inParallel(files, async ({ info, path }) => {
    copied.bytes += await fetchFile(sandbox, info.path, path, info.mode, user)
    copied.files += 1
  })
  // Last, so that nothing is written through one.
  for (const { target, path } of links) {
    await rm(path, { force: true })
    await symlink(target, path)
    copied.files += 1
  }
  // Innermost first: a directory that may not be written is closed when all is in it.
  for (const { mode, path } of directories.reverse()) await chmod(path, mode | 0o700)
  return copied
}

async function fetchFile(
  sandbox: Sandbox,
  from: string,
  to: string,
  mode: number,
  user: string | undefined,
): Promise<number> {
  // Whole or not at all, and a link at the target is replaced and not followed.
  const temporary = join(dirname(to), `.${basename(to)}.${randomBytes(6).toString('hex')}`)
  let bytes = 0
  try {
    const file = createWriteStream(temporary, { flags: 'wx', mode: 0o600 })
    const counted = async function* () {
      for await (const chunk of sandbox.files.readStream(from, { user })) {
        bytes += chunk.length
        yield chunk
      }
    }
    await pipeline(counted, file)
    await chmod(temporary, mode & 0o777)
    await rename(temporary, to)
    return bytes
  } catch (thrown) {
    await rm(temporary, { force: true })
    const { code, syscall } = thrown as NodeJS.ErrnoException
    if (syscall !== undefined) throw new UsageError(`${to}: ${code === 'ENOENT' ? 'no such directory' : code}`)
    throw thrown
  }
}

/** Path below the root, each part a name. The guest says what the paths are. */
export function safeParts(root: string, path: string): string[] {
  const prefix = root.endsWith('/') ? root : `${root}/`
  if (!path.startsWith(prefix))
    throw new Error(`The sandbox lists ${printable(path)}, which is not in ${printable(root)}`)
  return path.slice(prefix.length).split('/').map(safeName)
}

function safeName(name: string): string {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new Error(`The sandbox lists a file with the name ${JSON.stringify(name)}`)
  }
  return name
}

/** A link that is there, perhaps from an earlier copy, could lead anywhere. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new UsageError(`${path}: ${(error as NodeJS.ErrnoException).code}`)
    }
    if (!(await lstat(path)).isDirectory()) throw new UsageError(`${path} is in the way: not a directory`)
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false // Nothing there, or nothing we may see: writing to it will say which.
  }
}
