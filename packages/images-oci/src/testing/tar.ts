/** One entry of an archive; whatever is said is written, however ill-meant. */
export interface TarEntry {
  name: string
  /** `global` is a header for all that follow, as `git archive` writes it */
  type?: 'file' | 'dir' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | 'global'
  mode?: number
  uid?: number
  gid?: number
  link?: string
  device?: [major: number, minor: number]
  data?: Buffer | string
  /** Size that the header says, if another than the data's */
  size?: number
  xattrs?: Record<string, Buffer | string>
}

const TYPES = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
  global: 'g',
} as const
const BLOCK = 512

/** A tar archive (POSIX, with extended headers for attributes). */
export function tar(entries: TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)])
}

function blocksOf(entry: TarEntry): Buffer[] {
  const { xattrs = {}, data = '' } = entry
  const extended = Object.entries(xattrs).map(([name, value]) => record(`SCHILY.xattr.${name}`, Buffer.from(value)))
  const before = extended.length === 0 ? [] : withHeader('x', { name: 'pax' }, Buffer.concat(extended))
  return [...before, ...withHeader(TYPES[entry.type ?? 'file'], entry, Buffer.from(data))]
}

function withHeader(type: string, entry: TarEntry, data: Buffer): Buffer[] {
  const header = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, length: number) => {
    const digits = value.toString(8).padStart(length - 1, '0')
    if (digits.length < length) return void header.write(`${digits}\0`, at)
    // As GNU's tar says what does not fit.
    header.writeUInt8(0x80, at)
    header.writeUIntBE(value, at + length - 6, 6)
  }
  header.write(entry.name, 0, 100)
  octal(entry.mode ?? (type === '5' ? 0o755 : 0o644), 100, 8)
  octal(entry.uid ?? 0, 108, 8)
  octal(entry.gid ?? 0, 116, 8)
  octal(entry.size ?? data.length, 124, 12)
  octal(0, 136, 12)
  header.write(' '.repeat(8), 148)
  header.write(type, 156)
  header.write(entry.link ?? '', 157, 100)
  header.write('ustar\x0000', 257)
  octal(entry.device?.[0] ?? 0, 329, 8)
  octal(entry.device?.[1] ?? 0, 337, 8)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return [header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]
}

/** A record says its own length, digits included. */
function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}
