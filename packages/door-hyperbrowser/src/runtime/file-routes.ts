import { posix } from 'node:path'
import { type FileType, invalidArgument, isCode, type Principal, SpawnpointError } from '@spawnpoint/core'
import {
  type AnyRoute,
  bodyChunks,
  HeadBuffer,
  optional,
  roomFor,
  route,
  STREAMED,
  streamBytes,
} from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../context.ts'
import { originOf, runtimeAddress, runtimeCallUrl } from '../runtime-address.ts'
import { fileJson } from './file-json.ts'
import { type Inside, inside, named, tool } from './inside.ts'
import { type Method, presign, redeem } from './presigned.ts'
import { isInItsEncoding, NOT_BASE64, ok } from './process-routes.ts'

const params = z.object({ sandbox: z.string() })
const path = z.string().min(1).max(4096)
const runAs = optional(z.string().max(256))
const flag = optional(z.boolean())
const encoding = optional(z.enum(['utf8', 'base64']))
/** Permission bits, as `0644`, `644` or `0o644` */
const octal = z
  .string()
  .regex(/^(0o?)?[0-7]{1,4}$/, 'octal digits')
  .transform((digits) => Number.parseInt(digits.replace(/^0o/, ''), 8))
const mode = optional(z.union([octal, z.number().int().min(0).max(0o7777)]))

/** Entries of a list, as many as the agent gives at once */
const LIST_LIMIT = 100_000
/** Bytes of a file that come back within JSON */
const READ_LIMIT = 64 * 2 ** 20

const writeOne = z.object({ path, data: z.string(), encoding, append: flag, mode }).refine(isInItsEncoding, NOT_BASE64)

export function fileRoutes(context: DoorContext): AnyRoute[] {
  const { api, domain } = context
  return [
    route({
      method: 'GET',
      path: '/files/stat',
      params,
      query: z.object({ path, runAs }),
      handle: async ({ by, params: { sandbox }, query }) => {
        const { guest, access } = await inside(context, by, sandbox, query.runAs)
        return ok({ file: fileJson(await found(guest.files.stat(query.path, { ...access, targets: true }))) })
      },
    }),
    route({
      method: 'GET',
      path: '/files',
      params,
      query: z.object({ path, depth: optional(z.coerce.number().int().min(1).max(100)), runAs }),
      handle: async (call) => {
        const { by, params, query } = call
        const { guest, access } = await inside(context, by, params.sandbox, query.runAs)
        const { room } = roomFor(call)
        const listing = { depth: query.depth ?? 1, limit: LIST_LIMIT, room, ...access, targets: true }
        const entries = await guest.files.list(query.path, listing)
        // Nothing in the answer could say that some are missing.
        if (entries.length >= LIST_LIMIT)
          throw invalidArgument('path', `has ${LIST_LIMIT} entries or more; list a part of it, or less deep`)
        return ok({ entries: entries.map(fileJson) })
      },
    }),
    route({
      method: 'POST',
      path: '/files/read',
      params,
      body: z.object({
        path,
        offset: optional(z.number().int().min(0)),
        length: optional(z.number().int().min(0)),
        encoding,
        runAs,
      }),
      handle: async ({ by, params: { sandbox }, body, signal }) => {
        const { guest, access } = await inside(context, by, sandbox, body.runAs)
        const { offset, length, encoding: as = 'utf8' } = body
        const options = { ...(offset === undefined ? {} : { offset }), ...(length === undefined ? {} : { length }) }
        const { body: stream } = await found(guest.files.read(body.path, { ...options, ...access, signal }))
        const read = new HeadBuffer(READ_LIMIT)
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          read.add(chunk)
          if (read.isCut) {
            stream.destroy()
            throw new SpawnpointError('payload_too_large', 'Read a part of it, or download it', {
              limitBytes: READ_LIMIT,
            })
          }
        }
        return ok({
          content: read.bytes().toString(as),
          encoding: as,
          bytesRead: read.length,
          truncated: false,
          contentType: 'application/octet-stream',
        })
      },
    }),
    route({
      method: 'POST',
      path: '/files/write',
      params,
      body: z.union([z.object({ files: z.array(writeOne).min(1).max(1000), runAs }), writeOne.safeExtend({ runAs })]),
      handle: async ({ by, params: { sandbox }, body }) => {
        const { guest, access } = await inside(context, by, sandbox, body.runAs)
        const files = 'files' in body ? body.files : [body]
        const written = []
        for (const file of files) {
          const info = await guest.files.write(file.path, once(Buffer.from(file.data, file.encoding ?? 'utf8')), {
            ...access,
            ...modeOf(file.mode),
            append: file.append ?? false,
          })
          written.push({ path: info.path, name: info.name, type: 'file' })
        }
        return ok({ files: written })
      },
    }),
    route({
      method: 'PUT',
      path: '/files/upload',
      params,
      query: z.object({ path, runAs, token: optional(z.string().max(2_048)) }),
      rawBody: true,
      handle: async (call) => {
        const { sandbox } = call.params
        const user = await userOf(call.by, sandbox, 'PUT', call.query)
        const { guest, access } = await inside(context, call.by, sandbox, user)
        const { path: written, sizeBytes } = await guest.files.write(call.query.path, bodyChunks(call), access)
        return ok({ path: written, bytesWritten: sizeBytes })
      },
    }),
    route({
      method: 'GET',
      path: '/files/download',
      params,
      query: z.object({ path, runAs, token: optional(z.string().max(2_048)) }),
      handle: async (call) => {
        const { sandbox } = call.params
        const user = await userOf(call.by, sandbox, 'GET', call.query)
        const { guest, access } = await inside(context, call.by, sandbox, user)
        const { info, body } = await found(guest.files.read(call.query.path, { ...access, signal: call.signal }))
        // What the kernel makes up claims to be empty: only its end tells how long it is.
        const length = info.type === 'file' && info.sizeBytes > 0 ? info.sizeBytes : null
        await streamBytes(call, 200, { 'content-type': 'application/octet-stream' }, body, length)
        return STREAMED
      },
    }),
    route({
      method: 'POST',
      path: '/files/mkdir',
      params,
      body: z.object({ path, parents: flag, mode, runAs }),
      handle: async ({ by, params: { sandbox }, body }) => {
        const at = await inside(context, by, sandbox, body.runAs)
        if ((await typeOf(at, body.path)) === 'directory') return ok({ created: false })
        const options = { parents: body.parents ?? true, ...modeOf(body.mode), ...at.access }
        await at.guest.files.mkdir(body.path, options)
        return ok({ created: true })
      },
    }),
    route({
      method: 'POST',
      path: '/files/move',
      params,
      body: z.object({ from: path, to: path, overwrite: flag, runAs }),
      handle: async ({ by, params: { sandbox }, body }) => {
        const at = await inside(context, by, sandbox, body.runAs)
        // Unless told not to, as `mv` does: clients that know of no such choice count on it.
        if (body.overwrite === false) await mustBeFree(at, body.to)
        return ok({ entry: fileJson(await at.guest.files.move(body.from, body.to, { ...at.access, targets: true })) })
      },
    }),
    route({
      method: 'POST',
      path: '/files/copy',
      params,
      body: z.object({ from: path, to: path, recursive: flag, overwrite: flag, runAs }),
      handle: async ({ by, params: { sandbox }, body }) => {
        const at = await inside(context, by, sandbox, body.runAs)
        const { path: from } = await found(at.guest.files.stat(body.from, at.access))
        if (!body.overwrite) await mustBeFree(at, body.to)
        const options = [
          '-P',
          '-p',
          '-T',
          ...(body.recursive ? ['-R'] : []),
          ...(body.overwrite ? ['--remove-destination'] : []),
        ]
        const to = await placeFor(at, body.to)
        await tool(at, ['cp', ...options, '--', from, to])
        return ok({ entry: fileJson(await at.guest.files.stat(to, { ...at.access, targets: true })) })
      },
    }),
    route({
      method: 'POST',
      path: '/files/delete',
      params,
      body: z.object({ path, recursive: flag, runAs }),
      handle: async ({ by, params: { sandbox }, body }) => {
        const { guest, access } = await inside(context, by, sandbox, body.runAs)
        try {
          await guest.files.remove(body.path, { recursive: body.recursive ?? false, ...access })
        } catch (error) {
          if (!isAbsent(error)) throw error
        }
        return ok({ deleted: true })
      },
    }),
    route({
      method: 'POST',
      path: '/files/chmod',
      params,
      body: z.object({ path, mode: octal, recursive: flag, runAs }),
      handle: async ({ by, params: { sandbox }, body }) => {
        const at = await inside(context, by, sandbox, body.runAs)
        const { path: file } = await found(at.guest.files.stat(body.path, at.access))
        const recursive = body.recursive ? ['-R'] : []
        await tool(at, ['chmod', ...recursive, '--', body.mode.toString(8).padStart(4, '0'), file])
        return ok({ ok: true })
      },
    }),
    route({
      method: 'POST',
      path: '/files/chown',
      params,
      body: z.object({
        path,
        uid: optional(z.number().int().min(0)),
        gid: optional(z.number().int().min(0)),
        recursive: flag,
        runAs,
      }),
      handle: async ({ by, params: { sandbox }, body }) => {
        const at = await inside(context, by, sandbox, body.runAs)
        const { path: file } = await found(at.guest.files.stat(body.path, at.access))
        const owner = `${body.uid ?? ''}${body.gid === undefined ? '' : `:${body.gid}`}`
        if (owner === '') throw invalidArgument('uid', 'uid or gid is needed')
        const recursive = body.recursive ? ['-R'] : []
        await tool(at, ['chown', '-h', ...recursive, '--', owner, file])
        return ok({ ok: true })
      },
    }),
    ...(['upload', 'download'] as const).map((what) =>
      route({
        method: 'POST',
        path: `/files/presign-${what}`,
        params,
        body: z.object({ path, expiresInSeconds: optional(z.number().min(0)), oneTime: flag, runAs }),
        handle: async ({ params: { sandbox }, body, request }) => {
          const method: Method = what === 'upload' ? 'PUT' : 'GET'
          const { token, expiresAt } = presign(api, sandbox, method, body.path, {
            seconds: body.expiresInSeconds,
            oneTime: body.oneTime ?? false,
            runAs: named(body.runAs),
          })
          const address = runtimeAddress(originOf(request.raw), domain, sandbox)
          const call = `files/${what}?${new URLSearchParams({ path: body.path, token })}`
          return ok({
            token,
            path: body.path,
            method,
            expiresAt: expiresAt.getTime(),
            url: runtimeCallUrl(address, call),
          })
        },
      }),
    ),
  ]

  async function userOf(
    by: Principal,
    sandbox: string,
    method: Method,
    query: { path: string; token?: string | undefined; runAs?: string | undefined },
  ): Promise<string | undefined> {
    if (query.token === undefined) return named(query.runAs)
    return (await redeem(api, by, sandbox, method, query.path, query.token)).runAs
  }
}

function modeOf(mode: number | undefined): { mode?: number } {
  return mode === undefined ? {} : { mode }
}

async function* once(data: Buffer): AsyncGenerator<Buffer> {
  yield data
}

/** There is nothing below what is no directory, or bears a name that none can have. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'])

function isAbsent(error: unknown): error is SpawnpointError<'guest_error'> {
  return isCode(error, 'guest_error') && ABSENT.has(error.context.errno)
}

/** Of what is looked for: clients know what is not there by one answer. */
async function found<T>(looked: Promise<T>): Promise<T> {
  try {
    return await looked
  } catch (error) {
    if (!isAbsent(error)) throw error
    throw new SpawnpointError('guest_error', error.message, { ...error.context, errno: 'ENOENT' })
  }
}

/** What a path leads to; `null` for nothing. */
async function typeOf({ guest, access }: Inside, path: string): Promise<FileType | null> {
  try {
    const { type, target } = await guest.files.stat(path, { ...access, targets: true })
    return target?.type ?? type
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

async function mustBeFree(at: Inside, path: string): Promise<void> {
  if ((await typeOf(at, path)) !== null) throw invalidArgument('to', `already exists: ${path.slice(0, 200)}`)
}

/** The same path from the root, in a directory that is made if it is missing. */
async function placeFor(at: Inside, path: string): Promise<string> {
  const above = posix.dirname(path)
  const { files } = at.guest
  const there = (await typeOf(at, above)) !== null
  const dir = there ? await files.stat(above, at.access) : await files.mkdir(above, { parents: true, ...at.access })
  return posix.join(dir.path, posix.basename(path))
}
