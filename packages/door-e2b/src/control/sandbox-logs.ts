import {
  type Event,
  type Guest,
  isCode,
  type Principal,
  type ProcessInfo,
  type Sandbox,
  type SpawnpointApi,
} from '@spawnpoint/core'
import { HeadBuffer } from '@spawnpoint/door-kit'
import { withKeepalive } from '../envd/keepalive.ts'

export interface LogEntry {
  timestamp: string
  level: 'info' | 'error'
  message: string
  fields: Record<string, string>
}

const EVENTS_MAX = 1_000
/** The latest processes, and of each as much of what it wrote as this */
const PROCESSES_MAX = 50
const OUTPUT_MAX_BYTES = 64 * 1024
/** A process that runs has said what there is so far when it is silent for so long, in milliseconds */
const SILENCE_MS = 100
/** One that has ended comes to its end by itself; this is for a guest that does not tell */
const ENDED_SILENCE_MS = 10_000

/**
 * What is known of a sandbox's life: what became of it, which processes its agent started and, while it runs, what the agent
 * still has of their output. When a line was written is not: it has the time at which its process began. Oldest first.
 */
export async function sandboxLogs(api: SpawnpointApi, by: Principal, sandbox: Sandbox): Promise<LogEntry[]> {
  const events = await api.events.list(by, { sandbox: sandbox.id }, 0, EVENTS_MAX).catch(expired)
  const entries = events.map(eventEntry)
  if (sandbox.state === 'running') {
    const { guest } = await api.sandboxes.guest(by, sandbox.id)
    const latest = (await guest.processes.list()).slice(-PROCESSES_MAX)
    for (const of of await Promise.all(latest.map((info) => processEntries(guest, info)))) entries.push(...of)
  }
  return entries.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0))
}

/** What was first is not kept any more. */
function expired(error: unknown): Event[] {
  if (isCode(error, 'cursor_expired')) return []
  throw error
}

function eventEntry({ at, type, data }: Event): LogEntry {
  const failed = type.endsWith('.failed')
  const reason = typeof data.reason === 'string' ? `: ${data.reason}` : ''
  return { timestamp: at.toISOString(), level: failed ? 'error' : 'info', message: `${type}${reason}`, fields: {} }
}

async function processEntries(guest: Guest, info: ProcessInfo): Promise<LogEntry[]> {
  const { startedAt, exit, args } = info
  const begun = startedAt.toISOString()
  const fields = { pid: String(info.pid), user: info.user, ...(info.tag === null ? {} : { tag: info.tag }) }
  const entries: LogEntry[] = [{ timestamp: begun, level: 'info', message: `started ${args.join(' ')}`, fields }]
  for (const [stream, text] of await outputOf(guest, info)) {
    for (const line of text.replace(/\n$/, '').split('\n')) {
      const level = stream === 'stderr' ? 'error' : 'info'
      entries.push({ timestamp: begun, level, message: line, fields: { ...fields, stream } })
    }
  }
  if (exit !== null) {
    const message = exit.signal === null ? `exit status ${exit.code}` : `signal: ${exit.signal}`
    entries.push({ timestamp: exit.at.toISOString(), level: exit.code === 0 ? 'info' : 'error', message, fields })
  }
  return entries
}

async function outputOf(guest: Guest, { id, exit }: ProcessInfo): Promise<Map<string, string>> {
  const heads = new Map<string, HeadBuffer>()
  const enough = new AbortController()
  let bytes = 0
  const silenceMs = exit === null ? SILENCE_MS : ENDED_SILENCE_MS
  try {
    const { output } = await guest.processes.follow(id, { signal: enough.signal })
    for await (const item of withKeepalive(output, silenceMs, () => null, enough.signal)) {
      if (item === null || item.type === 'exit' || bytes >= OUTPUT_MAX_BYTES) break
      if (item.type !== 'data') continue
      const piece = item.data.subarray(0, OUTPUT_MAX_BYTES - bytes)
      bytes += piece.length
      const head = heads.get(item.stream) ?? new HeadBuffer(OUTPUT_MAX_BYTES)
      head.add(piece)
      heads.set(item.stream, head)
    }
  } catch (error) {
    if (!isCode(error, 'process_not_found')) throw error // forgotten meanwhile
  } finally {
    enough.abort()
  }
  return new Map([...heads].map(([stream, head]) => [stream, head.bytes().toString('utf8')]))
}
