import { CALLS, guestFor, isAudited, isUsed, may, mustMay, type Rule, scopeOf } from './access.ts'
import type { Principal, SpawnpointApi } from './api.ts'
import type { Sandbox } from './model.ts'
import type { Guest } from './ports/index.ts'
import type { Audit } from './services/audit.ts'

type Call = (by: Principal, ...given: unknown[]) => unknown

/** Streams are given at once, not promised. */
const STREAMS = new Set(['operations.follow', 'events.follow'])

/**
 * What a door can ask for: every call looks at what its key may ask for first, and those that change something are written
 * to the audit log. The services themselves do neither, so that the core can use them for itself.
 */
export function guarded(services: Omit<SpawnpointApi, 'runtime' | 'limits'>, audit: Audit, door: string) {
  const wrapped = Object.entries(CALLS).map(([name, rules]) => {
    const service: object = services[name as keyof typeof CALLS]
    const calls = Object.entries(rules).map(([method, rule]) => {
      const call: Call = (...given) => (Reflect.get(service, method) as Call).apply(service, given)
      return [method, guardedCall(call, rule, { door, what: `${name}.${method}`, audit })]
    })
    return [name, Object.fromEntries(calls)]
  })
  return Object.fromEntries(wrapped) as Pick<SpawnpointApi, keyof typeof CALLS>
}

interface Where {
  door: string
  what: string
  audit: Audit
}

function guardedCall(call: Call, rule: Rule, { door, what, audit }: Where): Call {
  if (rule === 'open') return call
  const check = (by: Principal) => {
    const scope = scopeOf(rule)
    if (scope !== null) mustMay(by, scope, what)
  }
  if (STREAMS.has(what))
    return (by, ...given) => {
      check(by)
      return call(by, ...given)
    }
  if (what === 'sandboxes.guest')
    return async (by, ...given) => {
      check(by)
      const found = (await call(by, ...given)) as { sandbox: Sandbox; guest: Guest }
      if (by.keyId !== null && may(by, 'write')) audit.used(by, door, what, found.sandbox.id)
      return { ...found, guest: guestFor(by, found.guest) }
    }
  if (isUsed(rule))
    return async (by, ...given) => {
      check(by)
      if (by.keyId !== null) audit.used(by, door, what, String(given[0]))
      return call(by, ...given)
    }
  if (!isAudited(rule))
    return async (by, ...given) => {
      check(by)
      return call(by, ...given)
    }
  return async (by, ...given) => {
    const draft = audit.draft(by, door, what, given)
    try {
      check(by)
      const result = await call({ ...by, audit: draft }, ...given)
      await audit.succeeded(draft, result)
      doneOf(result)?.catch((error: unknown) => audit.failed(draft, error))
      return result
    } catch (error) {
      if (await isForThisRequest(by)) await audit.failed(draft, error)
      throw error
    }
  }
}

/** False where the idempotency key has another answer than what the call does: then it was begun early, and is not to be. */
async function isForThisRequest({ once }: Principal): Promise<boolean> {
  try {
    await once?.begun
    return true
  } catch {
    // Whoever looked the key up is told.
    return false
  }
}

/** The end of work that goes on after the call. */
function doneOf(result: unknown): Promise<unknown> | null {
  if (typeof result !== 'object' || result === null || !('done' in result)) return null
  return result.done instanceof Promise ? result.done : null
}
