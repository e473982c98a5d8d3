import { SpawnpointError } from '@spawnpoint/core'
import type { FastifyRequest } from 'fastify'

/**
 * The bytes of a raw body. Rejects `cancelled` if the client goes away before the end. A reader that stops early does not
 * cut the connection, so that the client can still be told why.
 */
export async function* bodyChunks(call: { request: FastifyRequest }): AsyncIterable<Buffer> {
  const body = call.request.raw
  try {
    yield* body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  } catch (cause) {
    throw new SpawnpointError(
      'cancelled',
      'The client went away before the body ended',
      { what: 'request body' },
      { cause },
    )
  } finally {
    if (!body.readableEnded) body.resume()
  }
}
