import type { IncomingMessage } from 'node:http'
import { invalidArgument, isCode, type SpawnpointApi, SpawnpointError } from '@spawnpoint/core'
import { type AnyRoute, type Call, insideOnly, route, STREAMED } from '@spawnpoint/door-kit'
import { holdActive, proxyHttp } from '@spawnpoint/gateway'
import { originOf } from '../address.ts'
import { reachBox } from '../reach-box.ts'
import { openSession } from '../services/login-session.ts'
import { embedPage, signInPage } from '../services/pages.ts'
import {
  admitted,
  EMBED,
  LOGIN,
  loginAnswer,
  type Reached,
  type ServicePath,
  SIGN_IN,
  sandboxOf,
  serviceOf,
  serviceProxy,
  shownToken,
  signInAt,
} from '../services/service-path.ts'
import { loginOf } from '../services/shares.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
const FORM_MAX_BYTES = 8192

/** Ports of boxes below a path of ours, and where people sign in to those that are shared with them. */
export function serviceProxyRoutes(
  api: SpawnpointApi,
  addressOf: (req: IncomingMessage, service: { id: string; port: number }) => string,
): AnyRoute[] {
  const proxied = (path: string): AnyRoute => route({ method: METHODS, path, rawBody: true, handle })
  return [proxied('/:id/services/:port'), proxied('/:id/services/:port/*')]

  async function handle(call: Call) {
    const { raw } = call.request
    const service = serviceOf(raw.url ?? '/')
    if (service === null) throw invalidArgument('path', 'not the address of a service')
    const reached = await sandboxOf(api, service)
    const [path = ''] = service.rest.split('?', 1)
    if (path === EMBED) return embedPage()
    if (path === SIGN_IN) return signIn(raw, reached, service)
    if (path === LOGIN) return login(raw, reached, service)
    let admission: Awaited<ReturnType<typeof admitted>>
    try {
      admission = await admitted(api, reached, service.port, raw)
    } catch (error) {
      const location = signInAt(reached.sandbox, service.port, raw, service.rest)
      if (!(isCode(error, 'unauthenticated') || isCode(error, 'forbidden')) || location === null) throw error
      return { status: 302, headers: { location, 'cache-control': 'no-store' } }
    }
    const { sandbox, guest } = await reachBox(api, call.by, service.id)
    using _ = holdActive(api, call.by, sandbox.id)
    await proxyHttp(guest, service.port, raw, call.reply.raw, { ...serviceProxy(service), ...admission })
    call.reply.hijack()
    return STREAMED
  }

  async function login(raw: IncomingMessage, reached: Reached, { port, prefix, rest }: ServicePath) {
    const [, search = ''] = rest.split('?', 2)
    const admission = await admitted(api, reached, port, raw)
    const secure = originOf(raw).startsWith('https:')
    return { status: 302, headers: loginAnswer(shownToken(raw), admission, prefix, search, secure) }
  }

  async function signIn(raw: IncomingMessage, reached: Reached, { id, port, rest }: ServicePath) {
    const [, search = ''] = rest.split('?', 2)
    const { embed_origins: origins = [] } = loginOf(reached.sandbox, port) ?? {}
    const address = addressOf(raw, { id, port })
    const then = new URL(address).origin
    const asked = insideOnly(new URLSearchParams(search).get('redirect') ?? '/')
    if (raw.method !== 'POST') return signInPage({ redirect: asked, said: null, origins, then })
    const form = new URLSearchParams(await bodyOf(raw))
    const redirect = insideOnly(form.get('redirect') ?? '/')
    try {
      const { token } = await openSession(api, reached, port, (form.get('key') ?? '').slice(0, 512).trim())
      const location = `${address}${LOGIN}?${new URLSearchParams({ token, redirect })}`
      return { status: 303, headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' } }
    } catch (error) {
      if (!isCode(error, 'unauthenticated') && !isCode(error, 'forbidden')) throw error
      return signInPage({ redirect, said: error.message, origins, then }, 401)
    }
  }
}

async function bodyOf(req: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of req as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > FORM_MAX_BYTES)
      throw new SpawnpointError('payload_too_large', 'The form is too large', { limitBytes: FORM_MAX_BYTES })
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}
