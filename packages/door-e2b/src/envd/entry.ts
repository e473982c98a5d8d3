import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { FileDetails, FileInfo, FileType } from '@spawnpoint/core'
import { type EntryInfoSchema, FileType as EntryType } from './gen/filesystem_pb.ts'
import { METADATA_PREFIX, metadataOf } from './metadata.ts'

/** What the guest must tell of a file for an entry. */
export const ENTRY_DETAILS: FileDetails = { xattrs: METADATA_PREFIX, targets: true }

/** A file as the clients know it: a symlink has kind and mode of what it leads to. */
export function entryOf(info: FileInfo): MessageInitShape<typeof EntryInfoSchema> {
  const shown = info.target ?? info
  return {
    name: info.name,
    type: typeOf(shown.type),
    path: info.path,
    size: BigInt(info.sizeBytes),
    mode: shown.mode & 0o777,
    permissions: permissionsOf(info.type, info.mode),
    owner: info.owner,
    group: info.group,
    modifiedTime: timestampFromDate(info.modifiedAt),
    metadata: metadataOf(info.xattrs),
    ...(info.type === 'symlink' ? { symlinkTarget: info.target?.path ?? info.path } : {}),
  }
}

/** What a path leads to. */
export function kindOf(info: FileInfo): FileType {
  return (info.target ?? info).type
}

function typeOf(type: FileType): EntryType {
  if (type === 'file') return EntryType.FILE
  if (type === 'directory') return EntryType.DIRECTORY
  return type === 'symlink' ? EntryType.SYMLINK : EntryType.UNSPECIFIED
}

const KIND_LETTERS: { [T in FileType]: string } = {
  file: '',
  directory: 'd',
  symlink: 'L',
  fifo: 'p',
  socket: 'S',
  char: 'Dc',
  block: 'D',
}

/** As Go writes a file's mode: letters for the kind and the special bits, then three times three. */
function permissionsOf(type: FileType, mode: number): string {
  const special = [mode & 0o4000 ? 'u' : '', mode & 0o2000 ? 'g' : '', mode & 0o1000 ? 't' : ''].join('')
  const bits = [...'rwxrwxrwx'].map((letter, i) => (mode & (0o400 >> i) ? letter : '-')).join('')
  return `${KIND_LETTERS[type] + special || '-'}${bits}`
}
