const BLOCK = 512
/** What fits into the fields of the oldest format; longer goes into a record of its own. */
const MAX_NAME_BYTES = 100
const MAX_PLAIN_SIZE = 8 ** 11

export interface TarEntry {
  /** That of a directory ends with `/` */
  name: string
  type: 'file' | 'directory' | 'symlink'
  mode: number
  sizeBytes: number
  /** Of a symlink */
  target?: string
}

const TYPES = { file: '0', symlink: '2', directory: '5' } as const

/**
 * What stands before the content of an entry. The same entry gives the same bytes: no time, no owner. The content follows,
 * then `tarPadding`; after the last entry `TAR_END`.
 */
export function tarHeader({ name, type, mode, sizeBytes, target = '' }: TarEntry): Buffer {
  const records = [
    ...(Buffer.byteLength(name) > MAX_NAME_BYTES ? [record('path', name)] : []),
    ...(Buffer.byteLength(target) > MAX_NAME_BYTES ? [record('linkpath', target)] : []),
    ...(sizeBytes >= MAX_PLAIN_SIZE ? [record('size', String(sizeBytes))] : []),
  ]
  const plain = block(name, TYPES[type], mode, sizeBytes >= MAX_PLAIN_SIZE ? 0 : sizeBytes, target)
  if (records.length === 0) return plain
  const extension = Buffer.from(records.join(''))
  return Buffer.concat([
    block('././@PaxHeader', 'x', 0o644, extension.length, ''),
    extension,
    tarPadding(extension.length),
    plain,
  ])
}

export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((BLOCK - (sizeBytes % BLOCK)) % BLOCK)
}

export const TAR_END = Buffer.alloc(2 * BLOCK)

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + 1
  while (String(length).length + rest !== length) length = String(length).length + rest
  return `${length} ${key}=${value}\n`
}

function block(name: string, type: string, mode: number, size: number, target: string): Buffer {
  const bytes = Buffer.alloc(BLOCK)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  bytes.write(name, 0, MAX_NAME_BYTES)
  bytes.write(octal(mode, 7), 100)
  bytes.write(octal(0, 7), 108)
  bytes.write(octal(0, 7), 116)
  bytes.write(octal(size, 11), 124)
  bytes.write(octal(0, 11), 136)
  bytes.write(' '.repeat(8), 148)
  bytes.write(type, 156)
  bytes.write(target, 157, MAX_NAME_BYTES)
  bytes.write('ustar\x0000', 257, 'latin1')
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${octal(sum, 6)} `, 148)
  return bytes
}
