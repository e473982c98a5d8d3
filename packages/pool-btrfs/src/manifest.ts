import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileSynced } from './durable.ts'

const NAME = 'manifest.json'

/** Durable once the directory's own name is. */
export function writeManifest(dir: string, manifest: unknown): Promise<void> {
  return writeFileSynced(join(dir, NAME), `${JSON.stringify(manifest, null, 2)}\n`)
}

/** `undefined` if there is no such snapshot. */
export async function readManifest(dir: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(dir, NAME), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
