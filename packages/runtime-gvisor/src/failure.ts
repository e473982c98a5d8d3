import { SpawnpointError } from '@spawnpoint/core'

const DETAIL_CHARACTERS = 2_000

/** The runtime or the host failed at `step`; `detail` is for the operator. */
export function runtimeFailed(step: string, detail: string, cause?: unknown): SpawnpointError<'runtime_failed'> {
  const short = detail.length > DETAIL_CHARACTERS ? `${detail.slice(0, DETAIL_CHARACTERS)}…` : detail
  return new SpawnpointError('runtime_failed', `The runtime failed at ${step}`, { step, detail: short }, { cause })
}

/** The host lacks something; `reason` says what, and how to get it. */
export function unavailable(reason: string, cause?: unknown): SpawnpointError<'unavailable'> {
  return new SpawnpointError('unavailable', reason, { reason }, { cause })
}

export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

export function staleIncarnation(id: string, cause?: unknown): SpawnpointError<'stale_incarnation'> {
  return new SpawnpointError('stale_incarnation', 'The sandbox does not run any more', { sandboxId: id }, { cause })
}
