export interface TarFile {
  name: string
  /** Default `file` */
  type?: 'file' | 'directory' | 'symlink' | 'link' | 'fifo'
  mode?: number
  /** Owner and group */
  uid?: number
  data?: string | Buffer
  /** Of a link */
  target?: string
}

const CODES = { file: '0', link: '1', symlink: '2', directory: '5', fifo: '6' } as const

/** A ustar archive of exactly these entries, whatever their names say; names have at most 100 bytes. */
export function tarOf(files: TarFile[]): Buffer {
  const blocks = files.flatMap(({ name, type = 'file', mode, uid = 0, data = '', target = '' }) => {
    const body = Buffer.from(data as Buffer)
    const header = Buffer.alloc(512)
    const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
    header.write(name, 0, 100)
    header.write(octal(mode ?? (type === 'directory' ? 0o755 : 0o644), 7), 100)
    header.write(octal(uid, 7), 108)
    header.write(octal(uid, 7), 116)
    header.write(octal(body.length, 11), 124)
    header.write(octal(1_700_000_000, 11), 136)
    header.write(' '.repeat(8), 148)
    header.write(CODES[type], 156)
    header.write(target, 157, 100)
    header.write('ustar\x0000', 257, 'latin1')
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}
