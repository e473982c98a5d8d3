import { type FileAccess, type Guest, isCode } from '@spawnpoint/core'
import { HeadBuffer } from '@spawnpoint/door-kit'

export interface Line {
  path: string
  /** Counted from 1 */
  line: number
  text: string
}

/** Larger files are left out. */
const FILE_MAX_BYTES = 16 * 2 ** 20
/** Bytes of all files together that one search reads */
const READ_MAX_BYTES = 256 * 2 ** 20
/** As far as a line is shown */
const LINE_MAX_CHARS = 4096
/** A zero byte in the beginning tells what is no text. */
const PROBE_BYTES = 8 * 1024
const AT_ONCE = 4

interface Files {
  guest: Guest
  access: FileAccess
  files: readonly { path: string; sizeBytes: number }[]
}

/**
 * Lines with `pattern` in them, in the order of `files`; at most `limit`. `truncated` if not everything was looked at, be it
 * for `signal`.
 */
export async function grepFiles({ guest, access, files }: Files, pattern: Buffer, limit: number, signal: AbortSignal) {
  const matches: Line[] = []
  let [truncated, bytes] = [false, 0]
  const wanted = files.filter(({ sizeBytes }) => {
    if (sizeBytes > FILE_MAX_BYTES || bytes + sizeBytes > READ_MAX_BYTES) truncated = true
    else bytes += sizeBytes
    return sizeBytes <= FILE_MAX_BYTES && bytes <= READ_MAX_BYTES
  })
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    if (signal.aborted) return { matches, truncated: true }
    const found = await Promise.all(
      wanted
        .slice(at, at + AT_ONCE)
        .map(async ({ path }) => linesOf(path, await content(guest, access, path, signal), pattern, limit + 1)),
    )
    for (const lines of found) matches.push(...lines)
    if (matches.length > limit) return { matches: matches.slice(0, limit), truncated: true }
  }
  return { matches, truncated: truncated || signal.aborted }
}

/** Empty for what cannot be read: removed since, no file any more, or cut off by `signal`. */
async function content(guest: Guest, access: FileAccess, path: string, signal: AbortSignal): Promise<Buffer> {
  try {
    const { body } = await guest.files.read(path, { ...access, length: FILE_MAX_BYTES, signal })
    const read = new HeadBuffer(FILE_MAX_BYTES)
    for await (const chunk of body as AsyncIterable<Buffer>) read.add(chunk)
    return read.bytes()
  } catch (error) {
    if (signal.aborted || isCode(error, 'guest_error')) return Buffer.alloc(0)
    throw error
  }
}

function linesOf(path: string, bytes: Buffer, pattern: Buffer, most: number): Line[] {
  if (bytes.subarray(0, PROBE_BYTES).includes(0)) return []
  const lines: Line[] = []
  let [line, counted] = [1, 0]
  for (let hit = bytes.indexOf(pattern); hit !== -1 && lines.length < most; ) {
    for (let next = bytes.indexOf(10, counted); next !== -1 && next < hit; next = bytes.indexOf(10, counted)) {
      line += 1
      counted = next + 1
    }
    const end = bytes.indexOf(10, hit)
    // No longer than it can be shown: a file may be one line.
    const text = bytes
      .subarray(counted, Math.min(end === -1 ? bytes.length : end, counted + 4 * LINE_MAX_CHARS))
      .toString()
    lines.push({ path, line, text: text.replace(/\r$/, '').slice(0, LINE_MAX_CHARS) })
    hit = end === -1 ? -1 : bytes.indexOf(pattern, end + 1)
  }
  return lines
}
