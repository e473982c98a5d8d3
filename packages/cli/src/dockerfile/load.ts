import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Ignored, ignoring } from '@spawnpoint/dockerfile/pack'
import type { Dockerfile, Spawnpoint } from 'spawnpoint'
import { UsageError } from '../exit.ts'
import { tarOfContent } from '../recipe/tar.ts'

/** Whether an argument is a directory to build, and not the name of an image: names have no `/`. */
export function isDirectory(argument: string): boolean {
  return argument === '.' || argument === '..' || argument.includes('/')
}

/** Reads the Dockerfile of a directory, `-` for stdin, and sends what is in it unless it is there. Throws `UsageError`. */
export async function loadDockerfile(
  client: Spawnpoint,
  dir: string,
  file: string | undefined,
): Promise<Pick<Dockerfile, 'type' | 'dockerfile' | 'path' | 'context'>> {
  const found = await stat(dir).catch(() => null) // whatever keeps us from it, it is none to read
  if (!found?.isDirectory()) throw new UsageError(`${dir}: not a directory`)
  const where = file ?? join(dir, 'Dockerfile')
  const dockerfile = where === '-' ? await text(process.stdin) : await readText(where)
  if (dockerfile === null) throw new UsageError(`${where}: no such file`)
  if (dockerfile.trim() === '') throw new UsageError(`${where}: it is empty`)
  const path = where === '-' ? 'Dockerfile' : pathIn(dir, where)
  const ignored = await ignoredIn(dir, where)
  return { type: 'dockerfile', dockerfile, path, context: await send(client, dir, ignored) }
}

/** As messages call it: inside the directory by its path there. */
function pathIn(dir: string, file: string): string {
  const path = relative(resolve(dir), resolve(file))
  return path.startsWith(`..${sep}`) || path === '..' ? basename(file) : path.split(sep).join('/')
}

async function ignoredIn(dir: string, file: string): Promise<Ignored> {
  const own = file === '-' ? null : await readText(`${file}.dockerignore`)
  try {
    return ignoring(own ?? (await readText(join(dir, '.dockerignore'))) ?? '')
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : error}`)
  }
}

/** Read twice: what the server has already need not be sent, and what is sent need not fit into memory. */
async function send(client: Spawnpoint, dir: string, ignored: Ignored): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of tarOfContent(dir, ignored)) hash.update(chunk)
  const key = `sha256:${hash.digest('hex')}`
  if (!(await client.blobs.has(key))) await client.blobs.put(key, tarOfContent(dir, ignored))
  return key
}
