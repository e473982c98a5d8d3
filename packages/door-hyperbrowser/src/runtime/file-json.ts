import type { FileInfo } from '@spawnpoint/core'

const TYPES: Partial<Record<FileInfo['type'], string>> = { directory: 'dir' }

export function fileJson(info: FileInfo) {
  return {
    path: info.path,
    name: info.name,
    type: TYPES[info.target?.type ?? info.type] ?? 'file',
    size: info.sizeBytes,
    mode: info.mode,
    permissions: permissions(info),
    owner: info.owner,
    group: info.group,
    modifiedTime: info.modifiedAt.getTime(),
    ...(info.type === 'symlink' ? { symlinkTarget: info.target?.path ?? info.symlinkTarget } : {}),
  }
}

/** As `ls` writes them. */
function permissions({ type, mode }: FileInfo): string {
  const kind = { directory: 'd', symlink: 'l', fifo: 'p', socket: 's', char: 'c', block: 'b', file: '-' }[type]
  const bits = [6, 3, 0].map((shift) => {
    const of = (mode >> shift) & 7
    return `${of & 4 ? 'r' : '-'}${of & 2 ? 'w' : '-'}${of & 1 ? 'x' : '-'}`
  })
  return `${kind}${bits.join('')}`
}
