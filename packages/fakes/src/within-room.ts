import { type AnswerRoom, SpawnpointError } from '@spawnpoint/core'

/** A list for which there is room. Rejects `rate_limited`. */
export async function within<T>(room: AnswerRoom | undefined, list: T[]): Promise<T[]> {
  if (room !== undefined && !(await room.taken(Buffer.byteLength(JSON.stringify(list)))))
    throw new SpawnpointError('rate_limited', 'Too much that was asked for is not told yet', { retryAfterMs: 1_000 })
  return list
}
