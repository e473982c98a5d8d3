const BLOCK = 512
/** As `docker build` does for files from systems without permission bits: better run than refused. */
const FILE_MODE = 0o755

export interface TarFile {
  /** Relative, parted by `/` */
  path: string
  content: Blob
  modifiedAt: Date
}

/** A tar archive of files, with pax headers for what the plain ones have no room for. */
export function tarOf(files: readonly TarFile[]): Blob {
  const parts: BlobPart[] = []
  for (const { path, content, modifiedAt } of files) {
    const name = new TextEncoder().encode(path)
    const mtime = Math.max(0, Math.floor(modifiedAt.getTime() / 1000))
    if (name.length > 100 || content.size >= 8 ** 11) {
      const records = new TextEncoder().encode(paxRecord('path', path) + paxRecord('size', String(content.size)))
      parts.push(header(new TextEncoder().encode('PaxHeader'), 'x', records.length, mtime), ...padded(records))
    }
    parts.push(header(name, '0', content.size, mtime), content, padding(content.size))
  }
  parts.push(new Uint8Array(2 * BLOCK))
  return new Blob(parts)
}

function header(name: Uint8Array, type: string, size: number, mtime: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK)
  const text = (offset: number, value: string) => block.set(new TextEncoder().encode(value), offset)
  const octal = (offset: number, width: number, value: number) =>
    text(offset, `${value.toString(8).padStart(width - 1, '0')}\0`)
  block.set(name.subarray(0, 100))
  octal(100, 8, FILE_MODE)
  octal(108, 8, 0)
  octal(116, 8, 0)
  // One that does not fit stands in the pax header.
  octal(124, 12, size < 8 ** 11 ? size : 0)
  octal(136, 12, mtime)
  text(148, ' '.repeat(8))
  text(156, type)
  text(257, 'ustar\x0000')
  octal(
    148,
    7,
    block.reduce((sum, byte) => sum + byte, 0),
  )
  return block
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits too. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const bytes = new TextEncoder().encode(rest).length
  let length = bytes + String(bytes).length
  if (bytes + String(length).length !== length) length = bytes + String(length).length
  return `${length}${rest}`
}

function padded(bytes: Uint8Array<ArrayBuffer>): BlobPart[] {
  return [bytes, padding(bytes.length)]
}

function padding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK)
}
