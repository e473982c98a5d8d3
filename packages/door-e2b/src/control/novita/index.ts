import { invalidArgument, type Sandbox } from '@spawnpoint/core'
import { type AnyRoute, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { mustBe } from '../arrive.ts'
import type { DoorContext } from '../door-context.ts'
import { errorBodyOf } from '../errors.ts'
import { forkSandbox } from '../fork-sandbox.ts'
import { sandboxId } from '../ids.ts'
import { sandboxParams, seconds } from '../schemas.ts'
import { newName } from '../template-refs.ts'
import { lifetimeMs } from '../timeouts.ts'
import { sandboxTokens, trafficToken } from '../translate.ts'
import { eventRoutes } from './events.ts'
import { quotaRoute } from './quota.ts'
import { changeReach, reach } from './reach.ts'
import { novitaSecretRoutes } from './secrets.ts'
import { snapshotTemplateJson } from './template-page.ts'

const CLONES_MAX = 100

/** Calls that Novita's client has and E2B's has not. */
export function novitaRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  return [
    route({
      method: 'POST',
      path: '/sandboxes/:id/clone',
      params: sandboxParams,
      body: z.object({ count: optional(z.int32()), strict: optional(z.boolean()), timeout: optional(seconds) }),
      handle: async (call) => {
        const { count = 1, strict = false, timeout } = call.body
        if (count < 1 || count > CLONES_MAX) throw invalidArgument('count', `must be 1 to ${CLONES_MAX}`)
        const children = await forkSandbox(api, call.by, sandboxId(call.params.id), {
          count,
          mode: strict ? 'all_or_nothing' : 'best_effort',
          timeoutS: timeout,
        })
        const made = children.flatMap(({ sandbox }) => (sandbox === null ? [] : [sandbox]))
        const [failed] = children.flatMap(({ error }) => (error === null ? [] : [errorBodyOf(error)]))
        if (made.length === 0 && failed !== undefined) return { status: failed.code, body: failed }
        return { status: 201, body: { sandboxes: made.map(cloneJson) } }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/reset',
      params: sandboxParams,
      body: z.object({ resume: optional(z.boolean()), timeout: optional(seconds), ...reach }),
      handle: async (call) => {
        const id = sandboxId(call.params.id)
        const timeout = call.body.timeout === undefined ? {} : { timeoutMs: lifetimeMs(call.body.timeout) }
        await (await api.sandboxes.rollback(call.by, id, { origin: true })).done
        const sandbox = await api.sandboxes.update(call.by, id, { timeout })
        const reached = await changeReach(api, call.by, sandbox, call.body)
        if (call.body.resume === false) await (await api.sandboxes.pause(call.by, id)).done
        const token = trafficToken(context, reached)
        return { status: 200, body: token === null ? {} : { trafficAccessToken: token } }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/commit',
      params: sandboxParams,
      body: z.object({ alias: optional(z.string().min(1).max(256)) }),
      handle: async (call) => {
        const name = call.body.alias === undefined ? null : await newName(api, call.by, 'alias', call.body.alias)
        const { id } = await mustBe(api, call.by, sandboxId(call.params.id), 'running', 'commit')
        const started = await api.snapshots.create(call.by, id, {
          kind: 'memory',
          ...(name === null ? {} : { name: name.name, tag: name.tag ?? 'default' }),
        })
        return { status: 201, body: await snapshotTemplateJson(api, call.by, await started.done) }
      },
    }),
    quotaRoute(context),
    ...novitaSecretRoutes(context),
    ...eventRoutes(context),
  ]

  /** Without the `clientID`, which the client would make part of the id. */
  function cloneJson(sandbox: Sandbox) {
    return { sandboxID: sandbox.id, ...sandboxTokens(context, sandbox) }
  }
}
