import { invalidArgument } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import type { DoorContext } from '../door-context.ts'
import { errorBodyOf } from '../errors.ts'
import { forkSandbox } from '../fork-sandbox.ts'
import { sandboxId } from '../ids.ts'
import { sandboxParams, seconds } from '../schemas.ts'
import { templateLookup } from '../template-names.ts'
import { sandboxJson } from '../translate.ts'

const MAX = 100

export function forkRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  return [
    route({
      method: 'POST',
      path: '/sandboxes/:id/fork',
      params: sandboxParams,
      body: z.object({ count: optional(z.int32()), timeout: optional(seconds) }),
      handle: async (call) => {
        const { count = 1, timeout } = call.body
        if (count < 1 || count > MAX) throw invalidArgument('count', `must be 1 to ${MAX}`)
        const children = await forkSandbox(api, call.by, sandboxId(call.params.id), {
          count,
          mode: 'best_effort',
          timeoutS: timeout,
        })
        const templates = templateLookup(api, call.by)
        const entries = children.map(async (child) =>
          child.sandbox === null
            ? { error: errorBodyOf(child.error) }
            : { sandbox: await sandboxJson(context, templates, child.sandbox, call.request.host) },
        )
        return { status: 201, body: await Promise.all(entries) }
      },
    }),
  ]
}
