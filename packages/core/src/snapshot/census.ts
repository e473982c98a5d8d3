import type { Census, CensusProcess, ListeningPort } from '../model.ts'

/** The census in a snapshot's manifest; `null` where there is none, or none that can be read. */
export function censusIn(manifest: unknown): Census | null {
  const it = fields(fields(manifest)?.census)
  const at = typeof it?.at === 'string' ? new Date(it.at) : null
  if (it === null || at === null || Number.isNaN(at.getTime())) return null
  const processes = listOf(it.processes, processIn)
  const ports = listOf(it.ports, portIn)
  return processes === null || ports === null ? null : { at, processes, ports, truncated: it.truncated === true }
}

function fields(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}

function listOf<T>(value: unknown, item: (value: unknown) => T | null): T[] | null {
  if (!Array.isArray(value)) return null
  const items = value.map(item)
  return items.includes(null) ? null : items.filter((one) => one !== null)
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value)

function processIn(value: unknown): CensusProcess | null {
  const { pid, parentPid, user, command, memoryBytes, startTicks } = fields(value) ?? {}
  if (!isNumber(pid) || !isNumber(parentPid) || !isNumber(memoryBytes) || !isNumber(startTicks)) return null
  if (typeof user !== 'string' || typeof command !== 'string') return null
  return { pid, parentPid, user, command, memoryBytes, startTicks }
}

function portIn(value: unknown): ListeningPort | null {
  const { port, address, pid } = fields(value) ?? {}
  if (!isNumber(port) || typeof address !== 'string' || !(pid === null || isNumber(pid))) return null
  return { port, address, pid }
}
