import { posix } from 'node:path'
import { type BuildContext, type ContextEntry, clean } from './context.ts'
import { entryOf, findSources, type Packed } from './copy.ts'
import type { Permissions } from './permissions.ts'

/**
 * What COPY --parents names, each below the directories that it is in: those after `/./` where the source has that. Throws an
 * `Error` that says what is not there.
 */
export function packWithParents(
  context: BuildContext | null,
  sources: readonly string[],
  asked: { mode: Permissions | null; excluded: (path: string) => boolean },
): Packed[] {
  const packed = new Map<string, Packed>()
  for (const source of sources) {
    const left = leftOut(source)
    const nameOf = (path: string) => path.split('/').slice(left).join('/')
    const add = (entry: ContextEntry) => {
      const name = nameOf(entry.path)
      if (name === '' || asked.excluded(entry.path)) return
      for (const directory of above(entry.path, left)) {
        const parent = context?.entries.get(directory)
        if (parent?.type !== 'directory' || packed.has(nameOf(directory))) continue
        packed.set(nameOf(directory), entryOf(parent, nameOf(directory), asked.mode))
      }
      packed.set(name, entryOf(entry, name, asked.mode))
    }
    for (const found of findSources(context, source, { deep: true })) {
      add(found)
      if (found.type !== 'directory') continue
      const prefix = found.path === '' ? '' : `${found.path}/`
      for (const entry of context?.all(1) ?? []) if (entry.path.startsWith(prefix)) add(entry)
    }
  }
  return [...packed.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** How many directories of a path are not made. */
function leftOut(source: string): number {
  const pivot = source.indexOf('/./')
  const before = pivot < 0 ? '' : clean(posix.join('/', source.slice(0, pivot)))
  if (before.split('/').includes('**')) throw new Error(`'**' before '/./' in '${source}' is not supported`)
  return before === '' ? 0 : before.split('/').length
}

/** The directories that a path is in, the outermost first, without so many of these. */
function above(path: string, without: number): string[] {
  const parts = path.split('/')
  return parts.slice(without, -1).map((_, at) => parts.slice(0, without + at + 1).join('/'))
}
