import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { FileInfo, Sandbox } from 'spawnpoint'
import { UsageError } from '../exit.ts'
import { inParallel } from './in-parallel.ts'

export interface Copied {
  files: number
  bytes: number
}

/**
 * Copies a local file or directory into a sandbox. As `cp -r`: into the target if that is a directory, else to its name;
 * `DIR/.` means what is in it. Permissions and symbolic links go along; owners do not.
 */
export async function upload(sandbox: Sandbox, from: string, to: string, user: string | undefined): Promise<Copied> {
  if (from === '-') {
    const { sizeBytes } = await sandbox.files.write(to, process.stdin, { user })
    return { files: 1, bytes: sizeBytes }
  }
  const source = await stat(from).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${from}: ${error.code === 'ENOENT' ? 'no such file or directory' : error.message}`)
  })
  const contents = from.endsWith('/.') || from === '.' || from === '..' || from.endsWith('/..')
  const target = contents ? to : await targetFor(sandbox, basename(from), to, user)
  if (!source.isDirectory()) {
    if (!source.isFile()) throw new UsageError(`${from}: neither a file nor a directory`)
    return { files: 1, bytes: await sendFile(sandbox, from, target, source.mode & 0o7777, user) }
  }
  const copied: Copied = { files: 0, bytes: 0 }
  const links: { path: string; target: string }[] = []
  const files: { from: string; to: string; mode: number }[] = []
  await sandbox.files.mkdir(target, { user, mode: source.mode & 0o7777 })
  const walk = async (directory: string, into: string): Promise<void> => {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name)
      const remote = `${into.replace(/\/$/, '')}/${entry.name}`
      if (entry.isSymbolicLink()) links.push({ path: remote, target: await readlink(path) })
      else if (entry.isDirectory()) {
        await sandbox.files.mkdir(remote, { user, mode: (await lstat(path)).mode & 0o7777 })
        await walk(path, remote)
      } else if (entry.isFile()) files.push({ from: path, to: remote, mode: (await lstat(path)).mode & 0o7777 })
      else process.stderr.write(`spawnpoint: ${path}: left out, it is neither file, directory nor link\n`)
    }
  }
  await walk(from, target)
  await inParallel(files, async (file) => {
    copied.bytes += await sendFile(sandbox, file.from, file.to, file.mode, user)
    copied.files += 1
  })
  // The API makes no links; last, so that nothing is written through one.
  for (const link of links) {
    await sandbox.run(['ln', '-sfn', '--', link.target, link.path], { user, check: true })
    copied.files += 1
  }
  return copied
}

/** Into the target if it is a directory, or says so by its slash. */
async function targetFor(sandbox: Sandbox, name: string, to: string, user: string | undefined): Promise<string> {
  if (to.endsWith('/')) return to + name
  const there = await statOrNull(sandbox, to, user)
  return there?.type === 'directory' ? `${to}/${name}` : to
}

export async function statOrNull(sandbox: Sandbox, path: string, user: string | undefined): Promise<FileInfo | null> {
  try {
    return await sandbox.files.stat(path, { user })
  } catch (thrown) {
    const { context } = thrown as { context?: { errno?: string } }
    if (context?.errno === 'ENOENT' || context?.errno === 'ENOTDIR') return null
    throw thrown
  }
}

async function sendFile(
  sandbox: Sandbox,
  from: string,
  to: string,
  mode: number,
  user: string | undefined,
): Promise<number> {
  const { sizeBytes } = await sandbox.files.write(to, createReadStream(from, { highWaterMark: 256 * 1024 }), {
    user,
    mode,
  })
  return sizeBytes
}
