import { type FileAccess, type Guest, invalidArgument, isCode, type Principal, SpawnpointError } from '@spawnpoint/core'
import { collectOutput, PATIENT_MS } from '@spawnpoint/door-kit'
import type { DoorContext } from '../context.ts'

const TOOL_TIMEOUT_MS = 60_000
/** Processes of ours, which nobody asked for by themselves and nobody is told of */
export const TOOL_TAG = 'hyperbrowser.tool'

/** A running sandbox, and as whom a call acts in it. */
export interface Inside {
  guest: Guest
  id: string
  access: FileAccess & { user: string }
}

/** With the rights of whom the call names, else of whom commands run as. */
export async function inside(
  { api }: Pick<DoorContext, 'api'>,
  by: Principal,
  id: string,
  runAs: string | undefined,
): Promise<Inside> {
  const { guest, sandbox } = await api.sandboxes.guest(by, id)
  return { guest, id, access: { user: named(runAs) ?? sandbox.defaults.user } }
}

export function named(runAs: string | undefined): string | undefined {
  return runAs === '' ? undefined : runAs
}

/** Runs one of the sandbox's own programs, as whom the call is for. Rejects with what it said. */
export async function tool({ guest, id, access }: Inside, args: string[]): Promise<void> {
  const spec = {
    args,
    env: {},
    stdin: false,
    timeoutMs: TOOL_TIMEOUT_MS,
    tag: TOOL_TAG,
    cwd: '/',
    gatherMs: PATIENT_MS,
    ...access,
  }
  const { output } = await guest.processes.startAndFollow(spec).catch((error: unknown) => {
    // Not the file that the call is about.
    if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT') throw error
    throw new SpawnpointError('guest_error', `The image has no program ${args[0]}`, { errno: 'ENOSYS' })
  })
  const { exit, stderr } = await collectOutput(output, id, { limitBytes: 4_096 })
  if (exit.code !== 0) throw invalidArgument('path', stderr.trim() || `${args[0]} failed with ${exit.code}`)
}
