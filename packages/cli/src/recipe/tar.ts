import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { type Ignored, TAR_END, tarHeader, tarPadding } from '@spawnpoint/dockerfile/pack'
import { UsageError } from '../exit.ts'

/**
 * A tar archive of a local file or directory under its own last name. The same content gives the same bytes: no times, no
 * owners, entries in order.
 */
export async function* tarOf(path: string): AsyncGenerator<Buffer> {
  yield* entry(path, basename(resolve(path)), null)
  yield TAR_END
}

/** The same of what is in a directory, but for what is left out. */
export async function* tarOfContent(dir: string, ignored: Ignored): AsyncGenerator<Buffer> {
  for (const child of await childrenOf(dir)) yield* entry(join(dir, child), child, ignored)
  yield TAR_END
}

async function* entry(path: string, name: string, ignored: Ignored | null): AsyncGenerator<Buffer> {
  const stat = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path}: ${error.code === 'ENOENT' ? 'no such file or directory' : error.message}`)
  })
  const mode = stat.mode & 0o7777
  const left = ignored?.has(name) ?? false
  if (left && !(stat.isDirectory() && ignored?.exceptions)) return
  if (stat.isDirectory()) {
    if (!left) yield tarHeader({ name: `${name}/`, type: 'directory', mode, sizeBytes: 0 })
    for (const child of await childrenOf(path)) yield* entry(join(path, child), `${name}/${child}`, ignored)
  } else if (stat.isSymbolicLink()) {
    yield tarHeader({ name, type: 'symlink', mode, sizeBytes: 0, target: await readlink(path) })
  } else if (stat.isFile()) {
    yield tarHeader({ name, type: 'file', mode, sizeBytes: stat.size })
    yield* content(path, stat.size)
  } else process.stderr.write(`spawnpoint: ${path}: left out, it is neither file, directory nor link\n`)
}

/** By code unit: the order must not depend on where this runs. */
async function childrenOf(dir: string): Promise<string[]> {
  return (await readdir(dir)).sort()
}

async function* content(path: string, size: number): AsyncGenerator<Buffer> {
  let read = 0
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 256 * 1024 })) {
      read += chunk.length
      yield chunk
    }
  }
  if (read !== size) throw new UsageError(`${path}: it became shorter while it was read`)
  yield tarPadding(size)
}
