import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { UsageError } from '../exit.ts'

const BLOCK = 512
/** What fits into the fields of the oldest format; longer goes into a record of its own. */
const MAX_NAME_BYTES = 100
const MAX_PLAIN_SIZE = 8 ** 11

/**
 * A tar archive of a local file or directory under its own last name. The same content gives the same bytes: no times, no
 * owners, entries in order.
 */
export async function* tarOf(path: string): AsyncGenerator<Buffer> {
  yield* entry(path, basename(resolve(path)))
  yield Buffer.alloc(2 * BLOCK)
}

async function* entry(path: string, name: string): AsyncGenerator<Buffer> {
  const stat = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path}: ${error.code === 'ENOENT' ? 'no such file or directory' : error.message}`)
  })
  const mode = stat.mode & 0o7777
  if (stat.isDirectory()) {
    yield header({ name: `${name}/`, type: '5', mode, size: 0, target: '' })
    // By code unit: the order must not depend on where this runs.
    for (const child of (await readdir(path)).sort()) yield* entry(join(path, child), `${name}/${child}`)
  } else if (stat.isSymbolicLink()) {
    yield header({ name, type: '2', mode, size: 0, target: await readlink(path) })
  } else if (stat.isFile()) {
    yield header({ name, type: '0', mode, size: stat.size, target: '' })
    yield* content(path, stat.size)
  } else process.stderr.write(`spawnpoint: ${path}: left out, it is neither file, directory nor link\n`)
}

async function* content(path: string, size: number): AsyncGenerator<Buffer> {
  let read = 0
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 256 * 1024 })) {
      read += chunk.length
      yield chunk
    }
  }
  if (read !== size) throw new UsageError(`${path}: it became shorter while it was read`)
  yield padding(size)
}

interface Header {
  name: string
  type: string
  mode: number
  size: number
  target: string
}

function header({ name, type, mode, size, target }: Header): Buffer {
  const records = [
    ...(Buffer.byteLength(name) > MAX_NAME_BYTES ? [record('path', name)] : []),
    ...(Buffer.byteLength(target) > MAX_NAME_BYTES ? [record('linkpath', target)] : []),
    ...(size >= MAX_PLAIN_SIZE ? [record('size', String(size))] : []),
  ]
  const plain = block(name, type, mode, size >= MAX_PLAIN_SIZE ? 0 : size, target)
  if (records.length === 0) return plain
  const extension = Buffer.from(records.join(''))
  return Buffer.concat([
    block('././@PaxHeader', 'x', 0o644, extension.length, ''),
    extension,
    padding(extension.length),
    plain,
  ])
}

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

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
}
