import type { Answer } from './answer.ts'
import { SpawnpointError } from './errors.ts'
import { type OperationChange, Operations } from './operations.ts'
import type { Transport } from './transport.ts'
import type { Operation, Push, Pushed } from './types.ts'
import type { Schemas } from './wire-schemas.ts'

/** For work that goes on at the server whatever becomes of the connection. */
export interface LongOptions {
  /** Stops waiting; the work goes on */
  signal?: AbortSignal | undefined
  onProgress?: ((change: OperationChange) => void) | undefined
}

export async function push(transport: Transport, path: string, request: Push, options: LongOptions): Promise<Pushed> {
  const { answer } = await transport.exchange<Schemas['Operation']>({
    method: 'POST',
    path,
    query: { wait: false },
    json: request satisfies Schemas['Push'],
    signal: options.signal,
  })
  const { id, result } = await endedOf(transport, answer, options)
  if (result !== null) return result
  const { url, status } = answer
  const context = { url, status, excerpt: id }
  throw new SpawnpointError('bad_response', 'The server does not say what it has pushed', context)
}

/** The operation that an answer names, when it has ended. Throws the error that ended it. */
export async function endedOf(transport: Transport, answer: Answer, options: LongOptions): Promise<Operation> {
  const operationId = answer.header('location')?.split('/').at(-1)
  if (operationId !== undefined) return new Operations(transport).wait(operationId, options)
  const { url, status } = answer
  throw new SpawnpointError('bad_response', 'The server names no operation', { url, status, excerpt: '' })
}
