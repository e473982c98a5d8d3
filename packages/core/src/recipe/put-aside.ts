import { isCode } from '../errors.ts'
import type { FileInfo, Guest } from '../ports/index.ts'

/**
 * Makes room at a path for one step. Afterwards what was there is there again, and of what was not an empty file or directory,
 * whichever the step had there, as with Docker.
 */
export async function putAside({ files }: Guest, path: string, suffix: string): Promise<() => Promise<void>> {
  const aside = `${path}.aside-${suffix}`
  const before = await infoOf({ files }, path)
  if (before !== null) await files.move(path, aside)
  return async () => {
    const found = await infoOf({ files }, path)
    if (found !== null) await files.remove(path, { recursive: true })
    if (before !== null) await files.move(aside, path)
    else if (found?.type === 'file') await files.write(path, noBytes(), { mode: 0o644, owner: 'root' })
    else await files.mkdir(path, { owner: 'root' })
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

async function infoOf({ files }: Pick<Guest, 'files'>, path: string): Promise<FileInfo | null> {
  try {
    return await files.stat(path)
  } catch (error) {
    if (isCode(error, 'guest_error') && error.context.errno === 'ENOENT') return null
    throw error
  }
}
