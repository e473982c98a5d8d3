export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block'

export interface FileInfo {
  path: string
  name: string
  type: FileType
  sizeBytes: number
  /** Permission bits, `0o7777` */
  mode: number
  uid: number
  gid: number
  owner: string
  group: string
  modifiedAt: Date
  symlinkTarget: string | null
}

export interface FileEvent {
  type: 'created' | 'modified' | 'removed' | 'renamed' | 'attributes'
  path: string
  fileType: FileType | null
}
