import { UsageError } from '../exit.ts'

export interface Place {
  /** `null`: here */
  sandbox: string | null
  path: string
}

/** `SANDBOX:PATH`, else a local path. A local name with a colon is written `./a:b`. Throws `UsageError`. */
export function parsePlace(text: string): Place {
  const [, sandbox, path] = /^([A-Za-z0-9][A-Za-z0-9._-]*):(.*)$/s.exec(text) ?? []
  if (sandbox === undefined || path === undefined) {
    if (text === '') throw new UsageError('a path must not be empty')
    return { sandbox: null, path: text }
  }
  if (path === '') throw new UsageError(`'${text}' names no path; the home directory is ${text}.`)
  return { sandbox, path }
}
