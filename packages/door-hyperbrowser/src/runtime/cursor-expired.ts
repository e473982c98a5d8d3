import { SpawnpointError } from '@spawnpoint/core'

export function cursorExpired(cursor: number, keptAfter: number): SpawnpointError {
  const message = `Replay window expired: output ${cursor} is not kept any more, the earliest is ${keptAfter}`
  return new SpawnpointError('cursor_expired', message, { cursor, keptAfter })
}
