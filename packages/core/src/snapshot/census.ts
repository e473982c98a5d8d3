import type { Census, CensusProcess, ListeningPort } from '../model.ts'

/** As the agent's are limited. */
const MOST = { processes: 4_096, ports: 1_024, userChars: 512, commandChars: 1_024, addressChars: 64 }
/** Characters of JSON that the processes of a carried one may be: it is read before anything else of a snapshot that is pulled */
const CARRIED_CHARS = 256 * 1024

/** As much of it as goes along to another server. */
export function carriedCensus(census: Census): Census {
  let room = CARRIED_CHARS
  const processes = census.processes.filter((process) => {
    room -= JSON.stringify(process).length
    return room >= 0
  })
  return { ...census, processes, truncated: census.truncated || processes.length < census.processes.length }
}

/**
 * The census in a snapshot's manifest, or in what another server says of one; `null` where there is none, or none that can be
 * read.
 */
export function censusIn(manifest: unknown): Census | null {
  const it = fields(fields(manifest)?.census)
  const at = typeof it?.at === 'string' ? new Date(it.at) : null
  if (it === null || at === null || Number.isNaN(at.getTime())) return null
  const processes = listOf(it.processes, MOST.processes, processIn)
  const ports = listOf(it.ports, MOST.ports, portIn)
  return processes === null || ports === null ? null : { at, processes, ports, truncated: it.truncated === true }
}

function fields(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}

function listOf<T>(value: unknown, most: number, item: (value: unknown) => T | null): T[] | null {
  if (!Array.isArray(value) || value.length > most) return null
  const items = value.map(item)
  return items.includes(null) ? null : items.filter((one) => one !== null)
}

const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isText = (value: unknown, maxChars: number): value is string =>
  typeof value === 'string' && value.length <= maxChars

function processIn(value: unknown): CensusProcess | null {
  const { pid, parentPid, user, command, memoryBytes, startTicks } = fields(value) ?? {}
  if (!isNumber(pid) || !isNumber(parentPid) || !isNumber(memoryBytes) || !isNumber(startTicks)) return null
  if (!isText(user, MOST.userChars) || !isText(command, MOST.commandChars)) return null
  return { pid, parentPid, user, command, memoryBytes, startTicks }
}

function portIn(value: unknown): ListeningPort | null {
  const { port, address, pid } = fields(value) ?? {}
  if (!isNumber(port) || port > 65_535 || !isText(address, MOST.addressChars)) return null
  if (pid !== null && !isNumber(pid)) return null
  return { port, address, pid }
}
