import { tarOf } from './tar.ts'

/** More than this is not read into memory here: the command line sends it as it is read. */
const MOST_BYTES = 512 * 2 ** 20

export interface ContextFile {
  name: string
  size: number
  lastModified: number
  /** Of one in a directory that was chosen: with the directory's name before it */
  webkitRelativePath: string
}

/** What was chosen, in words. */
export function contextText(files: readonly ContextFile[]): string {
  const [first] = files
  if (first === undefined) return 'nothing'
  const directory = first.webkitRelativePath.split('/')[0]
  return directory === undefined || directory === '' ? first.name : `${directory}, ${files.length} files`
}

/** What is wrong with it; `null` if nothing is. */
export function contextError(files: readonly ContextFile[]): string | null {
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  return bytes > MOST_BYTES ? 'More than 512 MiB: send it with spawnpoint image build' : null
}

/** Paths in the context. */
export function pathIn({ name, webkitRelativePath }: ContextFile): string {
  return webkitRelativePath === '' ? name : webkitRelativePath.slice(webkitRelativePath.indexOf('/') + 1)
}

/** An archive that was chosen as it is, or one of the files of a directory; `undefined` for nothing. */
export async function contextOf(files: readonly File[]): Promise<Uint8Array | undefined> {
  const [first] = files
  if (first === undefined) return undefined
  const archive =
    first.webkitRelativePath === ''
      ? first
      : tarOf(
          // In one order whatever the browser's: the same files are the same archive, which is sent once.
          files
            .map((file) => ({ path: pathIn(file), content: file, modifiedAt: new Date(file.lastModified) }))
            .sort((a, b) => (a.path < b.path ? -1 : 1)),
        )
  return new Uint8Array(await archive.arrayBuffer())
}
