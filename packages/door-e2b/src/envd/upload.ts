import type { IncomingMessage } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type FileInfo, type Guest, isCode, type Sandbox } from '@spawnpoint/core'
import { eachFile, MalformedForm } from '@spawnpoint/door-kit'
import { aboutFile, type FilesCall } from './files.ts'
import { answerJson, HttpError } from './http-error.ts'
import { metadataFrom, metadataOf } from './metadata.ts'
import { on, pathOf } from './who.ts'

/** `POST /files`: writes the body, or each file of a form. Answers with what was written. */
export async function upload({ req, res, query, user, guest: reach }: FilesCall): Promise<void> {
  const path = query.get('path') ?? ''
  const xattrs = metadataFrom(req.headers)
  const type = (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
  const { guest, sandbox } = await reach()
  const target = { guest, sandbox, user, xattrs }
  const body = decoded(req)
  let written: FileInfo[]
  try {
    if (type === 'application/octet-stream') {
      if (path === '') throw new HttpError(400, 'path is required for application/octet-stream')
      written = [await write(target, path, body)]
    } else if (type === 'multipart/form-data') {
      const seen = new Set<string>()
      written = await eachFile(req.headers, body, async (name, content) => {
        const at = path || name
        if (at === '') throw new HttpError(400, 'a file has neither a path nor a name')
        if (seen.has(at)) throw new HttpError(400, `cannot upload multiple files to same path '${at}'`)
        seen.add(at)
        return write(target, at, content)
      })
    } else throw new HttpError(400, 'send multipart/form-data or application/octet-stream')
  } catch (error) {
    // What is still on its way is not wanted; it is read so that the client can read why.
    req.unpipe()
    req.resume()
    if (error instanceof MalformedForm) throw new HttpError(400, error.message, { cause: error })
    throw isBadGzip(error) ? new HttpError(400, 'the body is not gzip', { cause: error }) : error
  }
  answerJson(res, 200, written.map(shown))
}

interface Target {
  guest: Guest
  sandbox: Sandbox
  user: string | undefined
  xattrs: Record<string, string>
}

async function write({ guest, sandbox, user, xattrs }: Target, path: string, content: Readable): Promise<FileInfo> {
  return aboutFile(path, user, async () => {
    const options = Object.keys(xattrs).length === 0 ? on(user) : { ...on(user), xattrs }
    try {
      const info = await guest.files.write(pathOf(path, sandbox), content, options)
      return { ...info, xattrs }
    } catch (error) {
      // To who reads it is not there; who writes is to know what stands in the way.
      if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOTDIR') throw error
      throw new HttpError(400, `path '${error.context.path ?? path}' is below a file`, { cause: error })
    }
  })
}

function shown({ name, path, xattrs }: FileInfo) {
  const metadata = metadataOf(xattrs)
  return { name, path, type: 'file', ...(Object.keys(metadata).length === 0 ? {} : { metadata }) }
}

/** The body as the client has it. */
function decoded(req: IncomingMessage): Readable {
  const encoding = (req.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity' || encoding === '') return req
  if (encoding !== 'gzip') throw new HttpError(400, `unsupported content encoding '${encoding.slice(0, 40)}'`)
  const gunzip = createGunzip()
  // How it ends is met by whoever reads the result.
  pipeline(req, gunzip, () => {})
  return gunzip
}

function isBadGzip(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_')
}
