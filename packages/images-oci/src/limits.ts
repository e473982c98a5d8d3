import { SpawnpointError } from '@spawnpoint/core'

export function tooLarge(limitBytes: number): SpawnpointError<'payload_too_large'> {
  const message = `The image unpacks to more than ${limitBytes} bytes`
  return new SpawnpointError('payload_too_large', message, { limitBytes })
}

/** For `catch` of a write. */
export function diskError(error: NodeJS.ErrnoException): never {
  throw error.code === 'ENOSPC' || error.code === 'EDQUOT' ? noSpace(error) : error
}

/** What a program said that ran into a limit on what it writes. */
export function limitMet(error: unknown, limitBytes: number): unknown {
  const said =
    error instanceof SpawnpointError && 'detail' in error.context && typeof error.context.detail === 'string'
      ? error.context.detail
      : ''
  if (/quota exceeded|file too large/i.test(said)) return tooLarge(limitBytes)
  return /no space left on device/i.test(said) ? noSpace(error) : error
}

function noSpace(cause: unknown): SpawnpointError<'disk_full'> {
  return new SpawnpointError('disk_full', 'No space is left for the image', { freeBytes: 0 }, { cause })
}
