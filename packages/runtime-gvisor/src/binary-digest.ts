import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * SHA-256 of a program, in hex. runsc has 80 MB, and every start of a server asks: the answer is kept in `cacheFile`, with what
 * tells that the file is the same still. Nobody can set the time of a change of its inode.
 */
export async function binaryDigest(path: string, cacheFile: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  const identity = [path, dev, ino, size, mtimeNs, ctimeNs].join(' ')
  const known = await readKnown(cacheFile)
  if (known?.identity === identity) return known.digest
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  const digest = hash.digest('hex')
  await mkdir(dirname(cacheFile), { recursive: true })
  // Of this process alone: another may be at it too.
  const draft = `${cacheFile}.${process.pid}`
  await writeFile(draft, JSON.stringify({ identity, digest }))
  await rename(draft, cacheFile)
  return digest
}

async function readKnown(file: string): Promise<{ identity: string; digest: string } | null> {
  try {
    const known: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (known === null || typeof known !== 'object' || !('identity' in known) || !('digest' in known)) return null
    const { identity, digest } = known
    return typeof identity === 'string' && typeof digest === 'string' ? { identity, digest } : null
  } catch {
    // ENOENT, or half a file after a power cut: counted anew.
    return null
  }
}
