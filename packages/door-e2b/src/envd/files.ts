import type { IncomingMessage, ServerResponse } from 'node:http'
import { isCode } from '@spawnpoint/core'
import type { ServiceCall } from '@spawnpoint/gateway'
import { fileError, HttpError } from './http-error.ts'

/** A call for files in plain HTTP, by somebody who may. */
export interface FilesCall {
  req: IncomingMessage
  res: ServerResponse
  query: URLSearchParams
  /** User that the request names; `undefined` for the default one */
  user: string | undefined
  guest: ServiceCall['guest']
}

/** Runs `work`; what the guest then says of files becomes an answer about `path`. */
export async function aboutFile<T>(path: string, user: string | undefined, work: () => Promise<T>): Promise<T> {
  // The guest's word for it is the one for what is no regular file.
  if (path.includes('\0')) throw new HttpError(400, 'path must not contain NUL')
  try {
    return await work()
  } catch (error) {
    throw isCode(error, 'guest_error') ? fileError(error, path, user) : error
  }
}
