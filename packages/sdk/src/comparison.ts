import type { CallOptions } from './options.ts'
import type { Transport } from './transport.ts'
import type { Census, ComparedFile, Comparison, FileChange, TextComparison } from './types.ts'
import { modeFromWire } from './wire.ts'
import type { Schemas } from './wire-schemas.ts'

export interface CompareOptions extends CallOptions {
  /** Only what is at or below this; default `/` */
  path?: string | undefined
  /** Most files of each kind of change, 1 to 10,000; default 1,000 */
  limit?: number | undefined
}

/** @internal `path`: of the two in the API */
export async function compare(transport: Transport, path: string, options: CompareOptions): Promise<Comparison> {
  const { path: below, limit, ...call } = options
  const query = { path: below, limit }
  const wire = await transport.json<Schemas['Comparison']>({ method: 'GET', path, query, ...call })
  const { before, after, files } = wire
  return {
    ...wire,
    before: { ...before, at: new Date(before.at) },
    after: { ...after, at: new Date(after.at) },
    files: {
      ...files,
      added: files.added.map(toChange),
      removed: files.removed.map(toChange),
      changed: files.changed.map(toChange),
    },
  }
}

/** @internal */
export async function compareText(
  transport: Transport,
  path: string,
  file: string,
  options: CallOptions,
): Promise<TextComparison> {
  const request = { method: 'GET', path: `${path}/text`, query: { path: file }, ...options } as const
  const wire = await transport.json<Schemas['TextComparison']>(request)
  return { ...wire, before: toCompared(wire.before), after: toCompared(wire.after) }
}

/** @internal */
export function toCensus(wire: Schemas['Census']): Census {
  return { ...wire, at: new Date(wire.at) }
}

function toChange(wire: Schemas['FileChange']): FileChange {
  return { ...wire, before: toCompared(wire.before), after: toCompared(wire.after) }
}

function toCompared(wire: Schemas['ComparedFile'] | null): ComparedFile | null {
  return wire === null ? null : { ...wire, mode: modeFromWire(wire.mode), modifiedAt: new Date(wire.modifiedAt) }
}
