import { Readable } from 'node:stream'
import { isCode, type Principal, type SpawnpointApi, SpawnpointError, type TreeFile } from '@spawnpoint/core'
import type { Refusal, RefusedByRouter } from '@spawnpoint/door-kit'
import type { FastifyRequest } from 'fastify'
import { authenticate } from './credentials.ts'
import { STATUSES } from './errors.ts'
import { holderOf } from './volume-token.ts'

export const VOLUME_CONTENT = '/volumecontent/:id'

/** The files of a volume are asked for with a token of that volume; errors there have words for codes. */
export function isVolumeContent({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.url?.includes(VOLUME_CONTENT) === true
}

/** Whoever shows the volume's token, or a key. */
export async function volumeUser(api: SpawnpointApi, request: FastifyRequest): Promise<Principal> {
  const [, token = ''] = /^Bearer +(\S{1,256}) *$/i.exec((request.headers.authorization ?? '').slice(0, 512)) ?? []
  const { id } = request.params as { id: string }
  return holderOf(api, id, token) ?? authenticate(api, request.headers)
}

/** How an error of the file system is said: the clients know the one status, all else is an error with its text. */
const ERRNO: Readonly<Record<string, readonly [status: number, code: string]>> = {
  ENOENT: [404, 'path_not_found'],
  ENOTDIR: [404, 'path_not_found'],
  EEXIST: [409, 'path_already_exists'],
  EBUSY: [400, 'cannot_delete_root'],
  EISDIR: [400, 'is_a_directory'],
  EINVAL: [400, 'invalid_path'],
  ELOOP: [400, 'invalid_path'],
  ENAMETOOLONG: [400, 'invalid_path'],
  EDQUOT: [507, 'volume_full'],
  ENOSPC: [507, 'volume_full'],
}

export function volumeRefusal(error: SpawnpointError | RefusedByRouter): Refusal {
  if (!(error instanceof SpawnpointError)) return answer(error.status, 'invalid_request', error.message)
  if (isCode(error, 'guest_error')) {
    const [status, code] = ERRNO[error.context.errno] ?? [500, error.context.errno.toLowerCase()]
    return answer(status, code, error.message)
  }
  return answer(STATUSES[error.code], error.code, error.message)
}

function answer(status: number, code: string, message: string): Refusal {
  return { status, body: { code, message } }
}

export function entryJson(file: TreeFile) {
  const { name, type, path, sizeBytes, mode, uid, gid, accessedAt, modifiedAt, changedAt, symlinkTarget } = file
  return {
    name,
    type: KNOWN.has(type) ? type : 'unknown',
    path,
    // What a file system says of a directory is about the names in it.
    size: type === 'directory' ? 0 : sizeBytes,
    mode: mode & 0o7777,
    uid,
    gid,
    atime: accessedAt.toISOString(),
    mtime: modifiedAt.toISOString(),
    ctime: changedAt.toISOString(),
    ...(symlinkTarget === null ? {} : { target: symlinkTarget }),
  }
}

const KNOWN = new Set<TreeFile['type']>(['file', 'directory', 'symlink'])

/** Exactly so many bytes as were announced, or a connection that breaks off: a sandbox may cut the file meanwhile. */
export function whole(body: Readable, bytes: number): Readable {
  async function* counted() {
    let sent = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      sent += chunk.length
      yield chunk
    }
    if (sent < bytes) throw new Error('the file was cut while it was read')
  }
  return Readable.from(counted(), { objectMode: false })
}
