import { SpawnpointError } from 'spawnpoint'
import { printable } from './output/printable.ts'

/** The command line itself is wrong: exit status 2. */
export class UsageError extends Error {}

/** Ends the program with this status and says nothing more. */
export class Exit extends Error {
  readonly status: number

  constructor(status: number) {
    super(`exit ${status}`)
    this.status = status
  }
}

export const FAILED = 1
export const USAGE = 2
/** As a program that SIGINT has ended */
export const INTERRUPTED = 130

/** What to do about an error, where that is not plain from its message. */
export function hintFor(error: SpawnpointError): string | null {
  switch (error.code) {
    case 'connection_failed':
      return 'Is the server running? Start one with: spawnpoint serve. Another address: --url or SPAWNPOINT_URL.'
    case 'bad_response':
      return 'Does SPAWNPOINT_URL name a Spawnpoint server?'
    case 'unauthenticated':
      return 'Set SPAWNPOINT_API_KEY to a key of this server; its admin key is in admin.key of its data directory.'
    case 'wrong_state': {
      const { state, id } = error.context as { state: string; id: string }
      if (state === 'paused') return `Wake it with: spawnpoint sandbox resume ${id}`
      if (state === 'stopped') return `Boot it with: spawnpoint sandbox start ${id}`
      return null
    }
    case 'not_found': {
      const { resource } = error.context as { resource: string }
      if (resource === 'route') return 'Is --url or SPAWNPOINT_URL the address of the server alone, without a path?'
      const nouns = [
        'image',
        'sandbox',
        'snapshot',
        'operation',
        'key',
        'schedule',
        'volume',
        'registry',
        'secret',
        'team',
      ]
      return nouns.includes(resource) ? `See what there is with: spawnpoint ${resource} list` : null
    }
    case 'name_taken': {
      const { resource, name } = error.context as { resource: string; name: string }
      return resource === 'sandbox'
        ? `Give another name, or end that one with: spawnpoint sandbox rm ${name}`
        : 'Give another name.'
    }
    case 'quota_exceeded':
      return 'See what your team has and may have with: spawnpoint team settings'
    case 'process_not_found':
      return 'See what runs with: spawnpoint sandbox ps SANDBOX'
    case 'in_use':
      return 'Without --if-unused it is deleted all the same; what was started from it lives on.'
    case 'capture_refused':
      return 'End these programs or close these files, or take a snapshot of kind filesystem.'
    case 'disk_full':
      return 'Delete snapshots that nobody needs: spawnpoint snapshot list'
    case 'operation_in_progress':
      return 'Try again when it is done.'
    default:
      return null
  }
}

/** Says what went wrong on stderr and returns the exit status. */
export function report(thrown: unknown, stderr: (text: string) => void, json: boolean): number {
  if (thrown instanceof Exit) return thrown.status
  if (json) {
    const error =
      thrown instanceof SpawnpointError
        ? { code: thrown.code, message: thrown.message, context: thrown.context }
        : { code: thrown instanceof UsageError ? 'usage' : 'internal', message: messageOf(thrown) }
    stderr(`${JSON.stringify({ error })}\n`)
  } else {
    stderr(`spawnpoint: ${printable(messageOf(thrown))}\n`)
    if (thrown instanceof SpawnpointError) {
      for (const line of detailsOf(thrown)) stderr(`  ${printable(line)}\n`)
      const hint = hintFor(thrown)
      if (hint !== null) stderr(`${printable(hint)}\n`)
    }
  }
  return thrown instanceof UsageError ? USAGE : FAILED
}

function detailsOf(error: SpawnpointError): string[] {
  if (error.code === 'capture_refused') {
    const { culprits } = error.context as { culprits?: { pid: number; what: string; path: string }[] }
    return (culprits ?? []).map(({ pid, what, path }) => `process ${pid}: ${what} ${path}`)
  }
  if (error.code === 'invalid_argument') {
    const { issues } = error.context as { issues?: { path: string; message: string }[] }
    return (issues ?? []).length > 1 ? (issues ?? []).map(({ path, message }) => `${path}: ${message}`) : []
  }
  return []
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
