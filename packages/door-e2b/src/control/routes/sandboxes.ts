import { notFound, type Sandbox } from '@spawnpoint/core'
import { type AnyRoute, type Call, optional, route } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { ARRIVAL_MS, arrive, end, mustBe } from '../arrive.ts'
import { createOnce, idempotencyKey } from '../create-once.ts'
import { CREATE_V1, CREATE_V2, type CreateDefaults, createRequest, refuseUnsupported } from '../create-request.ts'
import type { DoorContext } from '../door-context.ts'
import { sandboxId } from '../ids.ts'
import { egressOf } from '../network.ts'
import { replacedRules } from '../network-rules.ts'
import { changeReach, reach } from '../novita/reach.ts'
import { secretRules } from '../novita/secrets.ts'
import { createBody, egress, sandboxParams, seconds } from '../schemas.ts'
import { shownState } from '../states.ts'
import { templateLookup } from '../template-names.ts'
import { refIn } from '../template-refs.ts'
import { lifetimeMs, remainingMs } from '../timeouts.ts'
import { detailJson, sandboxJson } from '../translate.ts'

const CONNECT_S = ARRIVAL_MS / 1000
const RESUME_S = 15
const REFRESH_MIN_S = 15

/** One sandbox: made, brought back, halted, changed, told of, killed. */
export function sandboxRoutes(context: DoorContext): AnyRoute[] {
  const { api } = context
  const json = (call: Call, sandbox: Sandbox) =>
    sandboxJson(context, templateLookup(api, call.by), sandbox, call.request.host)

  const create = (path: string, defaults: CreateDefaults) =>
    route({
      method: 'POST',
      path,
      body: createBody,
      handle: async (call) => {
        const request = createRequest(call.body, defaults)
        const from = await refIn(api, call.by, call.body.templateID)
        const { secrets = {}, envVars = {} } = call.body
        const credentials = [...(request.credentials ?? []), ...(await secretRules(api, call.by, secrets, envVars))]
        const key = idempotencyKey(call.request.headers)
        const sandbox = await createOnce(api, call.by, { ...request, from, credentials }, key)
        return { status: 201, body: await json(call, sandbox) }
      },
    })

  const connect = (path: string) =>
    route({
      method: 'POST',
      path,
      params: sandboxParams,
      body: z.object({ timeout: optional(seconds), memory: optional(z.boolean()), ...reach }),
      handle: async (call) => {
        const id = sandboxId(call.params.id)
        const { sandbox, resumed } = await arrive(api, call.by, id, {
          // Nought adds nothing to what there is.
          timeoutMs: call.body.timeout === 0 ? null : lifetimeMs(call.body.timeout ?? CONNECT_S),
          cold: call.body.memory === false,
        })
        const reached = await changeReach(api, call.by, sandbox, call.body)
        return { status: resumed ? 201 : 200, body: await json(call, reached) }
      },
    })

  return [
    create('/sandboxes', CREATE_V1),
    create('/v2/sandboxes', CREATE_V2),
    connect('/sandboxes/:id/connect'),
    connect('/v2/sandboxes/:id/connect'),
    route({
      method: 'POST',
      path: '/sandboxes/:id/resume',
      params: sandboxParams,
      body: z.object({ timeout: optional(seconds), memory: optional(z.boolean()) }),
      handle: async (call) => {
        const id = sandboxId(call.params.id)
        const timeoutMs = lifetimeMs(call.body.timeout ?? RESUME_S)
        await mustBe(api, call.by, id, 'paused', 'resume')
        const { sandbox } = await arrive(api, call.by, id, { timeoutMs, cold: call.body.memory === false })
        return { status: 201, body: await json(call, sandbox) }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/pause',
      params: sandboxParams,
      body: z.object({ memory: optional(z.boolean()) }),
      handle: async (call) => {
        const { id } = await mustBe(api, call.by, sandboxId(call.params.id), 'running', 'pause')
        const halt = call.body.memory === false ? api.sandboxes.stop : api.sandboxes.pause
        await (await halt.call(api.sandboxes, call.by, id)).done
        return { status: 204 }
      },
    }),
    route({
      method: 'GET',
      path: '/sandboxes/:id',
      params: sandboxParams,
      handle: async (call) => {
        const sandbox = await api.sandboxes.get(call.by, sandboxId(call.params.id))
        if (shownState(sandbox) === null) throw notFound('sandbox', call.params.id)
        const templates = templateLookup(api, call.by)
        return {
          status: 200,
          body: await detailJson(context, templates, sandbox, { by: call.by, host: call.request.host }),
        }
      },
    }),
    route({
      method: 'DELETE',
      path: '/sandboxes/:id',
      params: sandboxParams,
      handle: async (call) => {
        await end(api, call.by, sandboxId(call.params.id))
        return { status: 204 }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/timeout',
      params: sandboxParams,
      body: z.object({ timeout: seconds }),
      handle: async (call) => {
        const timeoutMs = remainingMs(call.body.timeout)
        const { id } = await running(call)
        await api.sandboxes.update(call.by, id, { timeout: { timeoutMs } })
        return { status: 204 }
      },
    }),
    route({
      method: 'POST',
      path: '/sandboxes/:id/refreshes',
      params: sandboxParams,
      body: z.object({ duration: optional(seconds) }),
      handle: async (call) => {
        const timeoutMs = lifetimeMs(Math.max(REFRESH_MIN_S, call.body.duration ?? 0))
        const { id } = await running(call)
        await api.sandboxes.update(call.by, id, { timeout: { timeoutMs }, extendOnly: true })
        return { status: 204 }
      },
    }),
    route({
      method: 'PUT',
      path: '/sandboxes/:id/network',
      params: sandboxParams,
      body: z.object({ ...egress, allow_internet_access: optional(z.boolean()) }),
      handle: async (call) => {
        refuseUnsupported({ network: call.body })
        const network = egressOf({ ...call.body, allowInternetAccess: call.body.allow_internet_access })
        const sandbox = await mustBe(api, call.by, sandboxId(call.params.id), 'running', 'change the network')
        const credentials = replacedRules(sandbox.credentials, call.body.rules)
        await api.sandboxes.update(call.by, sandbox.id, {
          network,
          ...(credentials === undefined ? {} : { credentials }),
        })
        return { status: 204 }
      },
    }),
  ]

  /** What is paused has no time to run out: to these calls it is not there. */
  async function running(call: Call<{ id: string }>): Promise<Sandbox> {
    const sandbox = await api.sandboxes.get(call.by, sandboxId(call.params.id))
    if (shownState(sandbox) !== 'running') throw notFound('sandbox', call.params.id)
    return sandbox
  }
}
