import type { FileInfo, Guest, Sandbox, SpawnpointApi } from '@spawnpoint/core'
import { invalidArgument, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, type Call, eachFile, MalformedForm, route, STREAMED, streamBytes } from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import mime from 'mime'
import { z } from 'zod'
import { etagOf, wantedOf } from '../conditions.ts'
import { fileAccess } from '../file-access.ts'
import { reachBox } from '../reach-box.ts'
import { givesOrigin } from '../services/content-policy.ts'
import { readDownloadToken } from '../services/download-token.ts'
import { isAtFileHost } from '../services/file-host.ts'
import { dataParams } from './execute.ts'

const pathQuery = z.object({ path: z.string().min(1).max(4096) })

export function fileRoutes(api: SpawnpointApi, domain: string | null): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/:id/upload',
      params: dataParams,
      query: pathQuery,
      rawBody: true,
      handle: async ({ by, params, query, request: { raw } }) => {
        const { sandbox, guest } = await reachBox(api, by, params.id)
        using _ = holdActive(api, by, sandbox.id)
        let begun = false
        const written = await eachFile(raw.headers, raw, async (_name, content) => {
          if (begun) throw invalidArgument('body', 'one file at a time')
          begun = true
          return guest.files.write(query.path, content, fileAccess(sandbox))
        }).catch((error: unknown) => {
          // What is still on its way is not wanted; it is read so that the client can read why.
          raw.unpipe()
          raw.resume()
          throw error instanceof MalformedForm ? invalidArgument('body', error.message) : error
        })
        const [file] = written
        if (file === undefined) throw invalidArgument('body.file', 'missing')
        return { status: 200, body: { path: file.path, written: file.sizeBytes } }
      },
    }),
    route({
      method: ['GET', 'HEAD'],
      path: '/:id/download',
      params: dataParams,
      query: pathQuery,
      handle: async (call) => {
        const { sandbox, guest } = await reachBox(api, call.by, call.params.id)
        using _ = holdActive(api, call.by, sandbox.id)
        return send(call, { sandbox, guest, path: call.query.path })
      },
    }),
    route({
      method: ['GET', 'HEAD'],
      path: '/downloads',
      query: z.object({ token: z.string() }),
      handle: async (call) => {
        const { id, path, type, disposition, policy = 'sandbox' } = readDownloadToken(api.tokens, call.query.token)
        const { host } = call.request.raw.headers
        if (givesOrigin(policy) && !(domain !== null && isAtFileHost(host, { id, path }, domain)))
          throw new SpawnpointError('unauthenticated', 'This download link is good at its own host only', {})
        const { sandbox, guest } = await reachBox(api, call.by, id)
        using _ = holdActive(api, call.by, sandbox.id)
        return send(call, {
          sandbox,
          guest,
          path,
          headers: {
            // A link is for browsers: what a sandbox wrote must not run as a page of this server.
            ...(policy === '' ? {} : { 'content-security-policy': policy }),
            ...(type === undefined ? {} : { 'content-type': type }),
            ...(disposition === undefined ? {} : { 'content-disposition': disposition }),
          },
        })
      },
    }),
  ]
}

interface Wish {
  sandbox: Sandbox
  guest: Guest
  path: string
  headers?: Record<string, string>
}

/** How often a file that is another one whenever it is opened is opened again. */
const ATTEMPTS = 3

async function send(call: Call, { sandbox, guest, path, headers: more = {} }: Wish) {
  const access = fileAccess(sandbox)
  const { method, headers: asked } = call.request.raw
  for (let attempt = 1; ; attempt += 1) {
    // Opened to be looked at: that follows links, and says what a reader would find.
    const { info, body: nothing } = await guest.files.read(path, { ...access, length: 0 })
    nothing.destroy()
    const headers = { ...headersOf(info), ...more }
    const wanted = wantedOf(asked, info)
    if (wanted === 'not_modified') return { status: 304, headers }
    if (wanted === 'precondition_failed') return { status: 412, headers }
    if (wanted === 'unsatisfiable')
      return { status: 416, headers: { ...headers, 'content-range': `bytes */${info.sizeBytes}` } }
    if (method === 'HEAD') {
      call.reply.hijack()
      call.reply.raw.writeHead(200, { ...headers, 'content-length': info.sizeBytes }).end()
      return STREAMED
    }
    const part = wanted === 'whole' ? {} : { offset: wanted.start, length: wanted.end - wanted.start + 1 }
    const { info: now, body } = await guest.files.read(path, { ...access, ...part, signal: call.signal })
    if (etagOf(now) !== etagOf(info) && attempt < ATTEMPTS) {
      body.destroy()
      continue
    }
    if (wanted === 'whole') {
      // What the kernel makes up claims to be empty: only its end tells how long it is.
      await streamBytes(call, 200, { ...headersOf(now), ...more }, body, now.sizeBytes > 0 ? now.sizeBytes : null)
    } else {
      const place = `bytes ${wanted.start}-${wanted.end}/${info.sizeBytes}`
      await streamBytes(call, 206, { ...headers, 'content-range': place }, body, wanted.end - wanted.start + 1)
    }
    return STREAMED
  }
}

function headersOf(info: FileInfo): Record<string, string> {
  return {
    'content-type': mime.getType(info.name) ?? 'application/octet-stream',
    'accept-ranges': 'bytes',
    etag: etagOf(info),
    'last-modified': info.modifiedAt.toUTCString(),
    'x-content-type-options': 'nosniff',
  }
}
