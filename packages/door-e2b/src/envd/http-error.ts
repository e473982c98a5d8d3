import type { ServerResponse } from 'node:http'
import type { SpawnpointError } from '@spawnpoint/core'

/** An answer of the agent's plain HTTP calls other than success. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export function answerError(res: ServerResponse, { status, message }: HttpError): void {
  answerJson(res, status, { code: status, message })
}

export function answerJson(res: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value)
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  res.end(body)
}

/** What the guest said of a file of a request: `path` and `user` as that named them. */
export function fileError(error: SpawnpointError<'guest_error'>, path: string, user: string | undefined): HttpError {
  const { errno, path: at = path, what } = error.context
  const options = { cause: error }
  if (what === 'user') return new HttpError(401, `error looking up user '${user ?? ''}': unknown user`, options)
  switch (errno) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new HttpError(404, `path '${at}' does not exist`, options)
    case 'EISDIR':
      return new HttpError(400, `path '${at}' is a directory`, options)
    case 'EINVAL':
      return new HttpError(400, `path '${at}' is not a regular file`, options)
    case 'ENAMETOOLONG':
    case 'ELOOP':
    case 'EEXIST':
      return new HttpError(400, error.message, options)
    case 'ENOSPC':
    case 'EDQUOT':
      return new HttpError(507, 'not enough disk space available', options)
    default:
      return new HttpError(500, error.message, options)
  }
}
