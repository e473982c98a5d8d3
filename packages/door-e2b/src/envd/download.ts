import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { FileInfo } from '@spawnpoint/core'
import mime from 'mime'
import { aboutFile, type FilesCall } from './files.ts'
import { HttpError } from './http-error.ts'
import { isConditional, type Range, wantedOf } from './range.ts'
import { on, pathOf } from './who.ts'

/** `GET /files`: the bytes of a file, or of a part of it; `HEAD`: what there is to say of the whole. */
export async function download({ req, res, query, user, guest: reach }: FilesCall): Promise<void> {
  const { guest, sandbox } = await reach()
  const path = pathOf(query.get('path') ?? '', sandbox)
  const encoding = encodingOf(req)
  await aboutFile(path, user, async () => {
    const range = isConditional(req.headers) ? await conditions(await guest.files.stat(path, on(user)), req, res) : null
    if (range === 'answered') return
    const part = range === null ? {} : { offset: range.start, length: range.end - range.start + 1 }
    if (req.method === 'HEAD') {
      const info = await guest.files.stat(path, on(user))
      if (info.type === 'directory') throw new HttpError(400, `path '${info.path}' is a directory`)
      res.writeHead(200, { ...headersOf(info), 'content-type': typeOf(info), 'content-length': info.sizeBytes }).end()
      return
    }
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    const { info, body } = await guest.files.read(path, { ...on(user), ...part, signal: gone.signal })
    const headers = { ...headersOf(info), 'content-type': typeOf(info) }
    if (range !== null) {
      const length = range.end - range.start + 1
      res.writeHead(206, {
        ...headers,
        'content-range': `bytes ${range.start}-${range.end}/${info.sizeBytes}`,
        'content-length': length,
      })
      await send(res, body, length, gone.signal)
    } else if (encoding === 'gzip') {
      res.writeHead(200, { ...headers, 'content-encoding': 'gzip' })
      // A break on either side ends both; the status line is out, so the connection is all that is left to say it with.
      await pipeline(body, createGzip({ level: 1 }), res).catch(() => res.destroy())
    } else if (info.sizeBytes === 0) {
      await sendUnsized(res, body, headers, gone.signal)
    } else {
      res.writeHead(200, { ...headers, 'content-length': info.sizeBytes })
      await send(res, body, info.sizeBytes, gone.signal)
    }
  })
}

/** The part that is wanted, `null` for all; answers by itself where nothing is to be sent. */
async function conditions(
  info: FileInfo,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Range | null | 'answered'> {
  const wanted = wantedOf(req.headers, info)
  if (wanted === 'whole') return null
  if (typeof wanted === 'object') return wanted
  if (wanted === 'unsatisfiable') res.setHeader('content-range', `bytes */${info.sizeBytes}`)
  const status = { not_modified: 304, precondition_failed: 412, unsatisfiable: 416 }[wanted]
  res.writeHead(status, headersOf(info)).end()
  return 'answered'
}

function headersOf(info: FileInfo): Record<string, string> {
  return {
    'content-disposition': disposition(info.name),
    'last-modified': info.modifiedAt.toUTCString(),
    'accept-ranges': 'bytes',
    vary: 'Accept-Encoding',
    // What a sandbox wrote may come from the origin of our own pages: a browser must not run it as one of them.
    'content-security-policy': 'sandbox',
    'x-content-type-options': 'nosniff',
  }
}

function typeOf({ name }: FileInfo): string {
  return mime.getType(name) ?? 'application/octet-stream'
}

function disposition(name: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(name)) return `inline; filename=${name}`
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)
  return `inline; filename*=utf-8''${encoded}`
}

/**
 * Compressed only for who asks for that and nothing else: every fetch offers gzip among others, and would rather have the
 * bytes sooner. Rejects with 406 where neither way is allowed.
 */
function encodingOf(req: IncomingMessage): 'gzip' | 'identity' {
  const header = req.headers['accept-encoding']
  if (typeof header !== 'string' || header.trim() === '') return 'identity'
  const accepted = new Map<string, number>()
  for (const entry of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = entry.split(';').map((text) => text.trim())
    const weight = parameters.find((text) => text.startsWith('q='))?.slice(2)
    accepted.set(name, weight === undefined ? 1 : Number(weight) || 0)
  }
  const gzip = accepted.get('gzip') ?? accepted.get('*') ?? 0
  const identity = accepted.get('identity') ?? (accepted.has('*') ? accepted.get('*') : 1) ?? 1
  if (identity === 0 && gzip === 0) throw new HttpError(406, 'no acceptable encoding: send identity or gzip')
  const onlyGzip = gzip > 0 && [...accepted].every(([name, weight]) => name === 'gzip' || weight === 0)
  return onlyGzip || identity === 0 ? 'gzip' : 'identity'
}

/** More of a file that has no size breaks the answer off. */
const UNSIZED_MAX_BYTES = 64 * 2 ** 20

/** Of a file that says it is empty: those of /proc have something in them all the same. */
async function sendUnsized(
  res: ServerResponse,
  body: Readable,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  let sent = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (sent === 0) res.writeHead(200, headers)
      sent += chunk.length
      if (sent > UNSIZED_MAX_BYTES) throw new Error('a file without a size has no end')
      if (!res.write(chunk)) await once(res, 'drain', { signal })
    }
    if (sent === 0) res.writeHead(200, { ...headers, 'content-length': 0 })
    res.end()
  } catch (error) {
    if (sent === 0) throw error
    // The status line is out; a broken connection is the only way left to say that bytes are missing.
    res.destroy()
  } finally {
    body.destroy()
  }
}

/**
 * Exactly so many bytes: what a guest sends beyond is cut and what it owes breaks the connection, so it cannot write into
 * the answer to the client's next request.
 */
async function send(res: ServerResponse, body: Readable, length: number, signal: AbortSignal): Promise<void> {
  let left = length
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const part = chunk.length > left ? chunk.subarray(0, left) : chunk
      left -= part.length
      if (!res.write(part)) await once(res, 'drain', { signal })
      if (left === 0) break
    }
  } catch {
    // The status line is out; a broken connection is the only way left to say that bytes are missing.
    res.destroy()
  } finally {
    body.destroy()
  }
  if (left > 0) res.destroy()
  else res.end()
}
