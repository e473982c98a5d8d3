import { posix } from 'node:path'
import { invalidArgument, type UnpackRequest } from '@spawnpoint/core'
import { type FileView, guestError } from './file-view.ts'
import { readTar, type TarEntry, writeTar } from './tar.ts'

/** What `GuestFiles.unpack` does, on the fake's tree. */
export function unpackInto(files: FileView, archive: Buffer, request: UnpackRequest) {
  const { source, destination, owner } = request
  const account = files.account(owner)
  const pattern = segments(source)
  const into = /[*?[]/.test(source.replace(/\\./gs, '')) || destination.endsWith('/') || isDirectory(files, destination)
  const made = !files.exists(destination)
  const counts = { entries: 0, bytes: 0 }
  for (const entry of readTar(archive)) {
    const name = segments(entry.name)
    if (entry.name.startsWith('/') || name.includes('..'))
      throw invalidArgument('', `the archive has a path that leads out of it: ${entry.name}`)
    if (name.length < pattern.length || !pattern.every((segment, index) => globMatches(segment, name[index] ?? '')))
      continue
    const below = name.slice(pattern.length)
    const alone = below.length === 0 && entry.type !== 'directory'
    const path = alone
      ? into
        ? posix.resolve(destination, name.at(-1) ?? '')
        : posix.resolve(destination)
      : posix.resolve(destination, ...below)
    put(files, entry, path, alone ? '/' : posix.resolve(destination), request)
    const own = request.keepOwners
      ? { uid: entry.uid ?? 0, gid: entry.gid ?? 0 }
      : { uid: account.uid, gid: account.gid }
    if (below.length > 0 || alone) files.changeItself(path, own)
    else if (made && request.keepOwners) files.changeItself(path, { ...own, mode: entry.mode })
    counts.entries += 1
    counts.bytes += entry.data.length
  }
  if (counts.entries === 0) throw guestError('ENOENT', source)
  return counts
}

export function packFrom(files: FileView, source: string): Buffer {
  const top = `/${segments(source).join('/')}`
  const infos = [files.info(top)]
  if (infos[0]?.type === 'directory') infos.push(...files.list(top, 1_000, 1_000_000))
  return writeTar(
    infos.map(({ path, type, mode, symlinkTarget }) => ({
      name: path.slice(1) || '.',
      type: type === 'file' || type === 'directory' || type === 'symlink' ? type : 'other',
      mode,
      target: symlinkTarget ?? '',
      data: type === 'file' ? files.read(path) : Buffer.alloc(0),
    })),
  )
}

function put(files: FileView, entry: TarEntry, path: string, base: string, { owner, mode }: UnpackRequest): void {
  ahead(files, posix.dirname(path), base, owner)
  const parent = files.mkdir(posix.dirname(path), { parents: true, owner, mode: 0o755 }).path
  if (base !== '/' && parent !== base && !parent.startsWith(`${base}/`) && path !== base)
    throw invalidArgument('', `the archive writes through a link that leads out of the destination: ${path}`)
  if (entry.type === 'directory') {
    files.mkdir(path, { parents: true, owner })
    if (path !== base)
      files.changeItself(path, { mode: mode === undefined ? entry.mode : mode | ((mode & 0o444) >> 2) })
    return
  }
  if (isDirectory(files, path)) throw guestError('EISDIR', path)
  if (entry.type === 'symlink') files.symlink(entry.target, posix.join(parent, posix.basename(path)))
  else if (entry.type === 'file') {
    files.remove(path, { missing: true })
    files.write(path, entry.data, { owner, mode: mode ?? entry.mode })
  } else throw invalidArgument('', `the archive has an entry that is no file, directory or link: ${entry.name}`)
}

/** Makes the directories below `base` that links on the way to `dir` lead to, where they are not there yet. */
function ahead(files: FileView, dir: string, base: string, owner: string): void {
  if (base === '/' || !dir.startsWith(`${base}/`)) return
  const below = segments(dir.slice(base.length))
  for (const [index] of below.entries()) {
    const path = posix.join(base, ...below.slice(0, index + 1))
    const info = files.exists(path) ? files.info(path) : null
    if (info?.type !== 'symlink') continue
    const target = posix.resolve(posix.dirname(path), info.symlinkTarget ?? '')
    if (target.startsWith(`${base}/`)) files.mkdir(target, { parents: true, owner })
  }
}

function segments(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '' && segment !== '.')
}

/** `*`, `?` and `[…]` in one name; a backslash takes their meaning away. */
export function globMatches(pattern: string, name: string): boolean {
  const source = pattern.replace(/\\(.)|\*|\?|[.+^${}()|]/gs, (found, literal?: string) => {
    if (literal !== undefined) return literal.replace(/[^A-Za-z0-9]/g, '\\$&')
    if (found === '*') return '.*'
    return found === '?' ? '.' : `\\${found}`
  })
  return new RegExp(`^${source}$`, 's').test(name)
}

function isDirectory(files: FileView, path: string): boolean {
  return files.exists(path) && files.info(path).type === 'directory'
}
