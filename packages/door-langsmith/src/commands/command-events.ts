import type { Guest, Sandbox } from '@spawnpoint/core'
import { untilAborted } from '@spawnpoint/door-kit'
import type { Followed } from './come-back.ts'
import type { Leases } from './leases.ts'
import { termsOf } from './terms.ts'

export const EVENTS = {
  contentType: 'text/event-stream',
  heartbeat: ': alive\n\n',
  failure: () => event('error', { error_type: 'CommandError', error: 'The sandbox ended before the command did' }),
}

/**
 * One command as server-sent events, its output as base64 with byte offsets. The client is never asked to acknowledge: what it
 * does not read holds the command back.
 */
export async function* commandEvents(
  { sandbox, guest }: { sandbox: Sandbox; guest: Guest },
  { info, output }: Followed,
  /** As the client calls it */
  commandId: string | undefined,
  from: { stdout: number; stderr: number },
  leases: Leases,
  /** The client has gone: a command that is silent must not keep it in mind */
  gone: AbortSignal,
): AsyncGenerator<string> {
  const { id, tag, exit, pid } = info
  const lease = leases.follow(`${sandbox.id} ${id}`, termsOf(tag), () =>
    // Harmless: it has ended meanwhile, or its sandbox has.
    guest.processes.signal(id, 'SIGKILL', true).catch(() => {}),
  )
  if (exit !== null) lease.ended()
  const at = { ...from }
  try {
    yield event('started', { command_id: commandId ?? id, pid })
    for await (const item of untilAborted(output, gone)) {
      if (item.type === 'exit') {
        lease.ended()
        for (const stream of ['stdout', 'stderr'] as const) yield event('stream_end', { stream, offset: at[stream] })
        if (item.exit.timedOut)
          yield event('error', { error_type: 'CommandTimeout', error: 'The command ran out of time' })
        else yield event('exit', { exit_code: item.exit.code })
        return
      }
      const stream = item.stream === 'stderr' ? 'stderr' : 'stdout'
      if (item.type === 'gap') {
        at[stream] = item.resumeAt
        continue
      }
      // Who has seen more than was there when they came back gets none of it again.
      const data = item.data.subarray(Math.max(0, at[stream] - item.offset))
      if (data.length === 0) continue
      at[stream] = item.offset + item.data.length
      yield event(stream, { offset: at[stream] - data.length, data: data.toString('base64') })
    }
    if (!gone.aborted) yield EVENTS.failure()
  } finally {
    lease[Symbol.dispose]()
  }
}

function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
