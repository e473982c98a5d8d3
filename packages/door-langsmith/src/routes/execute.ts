import { type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, collectOutput, route, untilAborted } from '@spawnpoint/door-kit'
import { holdActive } from '@spawnpoint/gateway'
import { z } from 'zod'
import { commandFields, commandSpec, withShell } from '../commands/command.ts'
import { reachBox } from '../reach-box.ts'

export const dataParams = z.object({ id: z.string().min(1).max(255) })

export function executeRoutes(api: SpawnpointApi): AnyRoute[] {
  return [
    route({
      method: 'POST',
      path: '/:id/execute',
      params: dataParams,
      body: z.object(commandFields),
      handle: async ({ by, params, body, signal }) => {
        const { sandbox, guest } = await reachBox(api, by, params.id)
        const spec = commandSpec(sandbox, body)
        using _ = holdActive(api, by, sandbox.id)
        const { output } = await withShell(spec, (one) => guest.processes.startAndFollow(one, signal))
        const { stdout, stderr, encoding, exit } = await collectOutput(untilAborted(output, signal), sandbox.id)
        if (exit.timedOut) {
          const timeoutMs = spec.timeoutMs ?? 0
          const message = `Command timed out after ${timeoutMs / 1000} seconds`
          throw new SpawnpointError('timeout', message, { what: 'command', timeoutMs })
        }
        const text = (data: string) => (encoding === 'utf8' ? data : Buffer.from(data, 'base64').toString())
        return { status: 200, body: { stdout: text(stdout), stderr: text(stderr), exit_code: exit.code } }
      },
    }),
  ]
}
