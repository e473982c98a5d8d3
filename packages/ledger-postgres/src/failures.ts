import { type Operation, SpawnpointError } from '@spawnpoint/core'
import { DatabaseError } from 'pg'

/** SQLSTATEs of a server that is starting, stopping, full of connections or a mere standby. */
const AWAY = new Set(['57P01', '57P02', '57P03', '57P05', '53300', '25006', '25P03', '3D000'])

export const STATEMENT_TIMEOUT_MS = 30_000

/** Serialisation failure or deadlock: the transaction did nothing and may be tried again. */
export function isRetryable(thrown: unknown): boolean {
  return thrown instanceof DatabaseError && (thrown.code === '40001' || thrown.code === '40P01')
}

/** Whether this was refused for no reason of its own, but because something before it in its transaction was. */
export function follows(thrown: unknown): boolean {
  return thrown instanceof DatabaseError && thrown.code === '25P02'
}

export function violates(thrown: unknown, constraint: string): boolean {
  return thrown instanceof DatabaseError && thrown.code === '23505' && thrown.constraint === constraint
}

export function unavailable(reason: string, cause?: unknown): SpawnpointError<'unavailable'> {
  return new SpawnpointError('unavailable', `The ledger is unavailable: ${reason}`, { reason }, { cause })
}

/** Whether the connection is of no further use after this failure. */
export function endsConnection(thrown: unknown): boolean {
  if (thrown instanceof DatabaseError) return AWAY.has(thrown.code ?? '') || (thrown.code ?? '').startsWith('08')
  // Whatever the driver itself throws is about the connection, except for mistakes in our own code.
  return thrown instanceof Error && !(thrown instanceof TypeError) && !(thrown instanceof RangeError)
}

/** Gives the driver's and the server's failures our codes. What is left as it is, is a mistake of ours. */
export function translate(thrown: unknown): unknown {
  if (thrown instanceof SpawnpointError) return thrown
  // The driver's words name paths of the server: they stay in the cause.
  if (endsConnection(thrown)) return unavailable('its database cannot be reached at present', thrown)
  if (!(thrown instanceof DatabaseError)) return thrown
  const code = thrown.code ?? ''
  if (code === '57014') {
    const context = { what: 'ledger', timeoutMs: STATEMENT_TIMEOUT_MS }
    return new SpawnpointError('timeout', 'The ledger took too long', context, { cause: thrown })
  }
  if (code === '53100') {
    return new SpawnpointError('disk_full', "The ledger's disk is full", { freeBytes: 0 }, { cause: thrown })
  }
  // Class 22: a value out of range or not storable as text. 54000: too long for an index.
  if (code.startsWith('22') || code === '54000') {
    const path = thrown.column ?? 'request'
    const context = { issues: [{ path, message: thrown.message }] }
    return new SpawnpointError('invalid_argument', `${path}: ${thrown.message}`, context, { cause: thrown })
  }
  return thrown
}

export function nameTaken(
  resource: 'team' | 'sandbox' | 'registry' | 'secret' | 'volume',
  name: string | null,
  cause: unknown,
): SpawnpointError<'name_taken'> {
  const context = { resource, name: name ?? '' }
  return new SpawnpointError('name_taken', `Another ${resource} is named ${name}`, context, { cause })
}

export function inProgress(on: Pick<Operation, 'sandboxId'>, operation: string, cause?: unknown): SpawnpointError {
  const context = { resource: 'sandbox', id: String(on.sandboxId), operation } as const
  const message = `Another operation on sandbox ${on.sandboxId} is under way`
  return new SpawnpointError('operation_in_progress', message, context, { cause })
}
