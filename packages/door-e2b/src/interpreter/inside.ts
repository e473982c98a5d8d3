import type { Guest } from '@spawnpoint/core'

/** What the interpreter needs of the inside of a sandbox. */
export interface Inside {
  connectPort: Guest['connectPort']
  processes: Pick<Guest['processes'], 'list' | 'start' | 'wait'>
  files: Pick<Guest['files'], 'stat' | 'write'>
}

/**
 * Clients reach the interpreter at this port of a sandbox, and the same port inside, on loopback, is Jupyter's. The
 * gateway gives the port to us whoever asks, so nobody outside reaches a Jupyter that asks for no password.
 */
export const INTERPRETER_PORT = 49_999
