import { isCode, SpawnpointError } from '../errors.ts'

/** What `failure` says of an image whose build was cancelled. */
export const BUILD_CANCELLED = 'The build was cancelled'

export function buildCancelled(): SpawnpointError<'cancelled'> {
  return new SpawnpointError('cancelled', BUILD_CANCELLED, { what: 'image build' })
}

/** Why what `closing` has stopped came to nothing: somebody cancelled it, or the server is about to end. */
export function stopped({ reason }: AbortSignal): SpawnpointError {
  return isCode(reason, 'cancelled') ? reason : interrupted()
}

export function interrupted(): SpawnpointError {
  return new SpawnpointError('unavailable', 'The server stopped while this was under way; it was undone, try again', {
    reason: 'interrupted',
  })
}
