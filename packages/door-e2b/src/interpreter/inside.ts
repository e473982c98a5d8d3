import { type FileInfo, type Guest, isCode } from '@spawnpoint/core'

/** What the interpreter needs of the inside of a sandbox. */
export interface Inside {
  connectPort: Guest['connectPort']
  processes: Pick<Guest['processes'], 'list' | 'start' | 'wait'>
  files: Pick<Guest['files'], 'stat' | 'write'>
}

/** `null` where the sandbox has nothing there, or nothing that can be looked at. */
export async function statOrNull(
  { files }: Pick<Inside, 'files'>,
  ...what: Parameters<Inside['files']['stat']>
): Promise<FileInfo | null> {
  try {
    return await files.stat(...what)
  } catch (error) {
    if (isCode(error, 'guest_error')) return null
    throw error
  }
}

/**
 * Clients reach the interpreter at this port of a sandbox, and the same port inside, on loopback, is Jupyter's. The
 * gateway gives the port to us whoever asks, so nobody outside reaches a Jupyter that asks for no password.
 */
export const INTERPRETER_PORT = 49_999
